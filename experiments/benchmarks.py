"""Another name of `experiments.benchmark`: `python -m experiments.benchmarks [--device]`."""

from experiments.benchmark import main

if __name__ == "__main__":
    main()
