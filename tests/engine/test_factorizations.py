"""Batches of LAPACK in a sweep over several CPU devices: no hang, and the right numbers."""

import re
import subprocess
import sys
import textwrap

import jax
import jax.numpy as jnp
import numpy as np
import pytest

import jaxreg as jr
from jaxreg.engine import entry, execute, program
from jaxreg.engine.in_turn import LAPACK, take_lapack_in_turn, uses_lapack

CODE = textwrap.dedent(
    """
    import sys
    import jax, jax.numpy as jnp, jax.scipy.linalg as sl, numpy as np
    jax.config.update("jax_num_cpu_devices", int(sys.argv[1]))
    import jaxreg as jr
    n, runs = int(sys.argv[3]), int(sys.argv[4])
    keys = lambda a: jax.random.key(jnp.int32(a * 10))
    made = lambda a: jnp.cos(a * jnp.arange(n * n, dtype=jnp.float32)).reshape(n, n)
    definite = lambda a: made(a) @ made(a).T + n * jnp.eye(n)
    functions = {
        "svd": lambda a: jnp.linalg.svd(made(a))[1],
        "pinv": lambda a: jnp.linalg.pinv(made(a)),
        "lstsq": lambda a: jnp.linalg.lstsq(made(a), made(a)[0])[0],
        "matrix_rank": lambda a: jnp.linalg.matrix_rank(made(a)),
        "eigh": lambda a: jnp.linalg.eigh(definite(a))[0],
        "eig": lambda a: jnp.abs(jnp.linalg.eigvals(made(a))),
        "qr": lambda a: jnp.linalg.qr(made(a))[1],
        "solve": lambda a: jnp.linalg.solve(definite(a), made(a)),
        "inv": lambda a: jnp.linalg.inv(definite(a)),
        "det": lambda a: jnp.linalg.slogdet(definite(a))[1],
        "cholesky": lambda a: jnp.linalg.cholesky(definite(a)),
        "cho_solve": lambda a: sl.cho_solve(sl.cho_factor(definite(a)), made(a)),
        "triangular": lambda a: sl.solve_triangular(definite(a), made(a)),
        "schur": lambda a: sl.schur(made(a))[0],
        "hessenberg": lambda a: sl.hessenberg(made(a)),
        "polar": lambda a: sl.polar(definite(a))[0],
        "expm": lambda a: sl.expm(made(a) / n),
        "multivariate": lambda a: jax.random.multivariate_normal(keys(a), jnp.zeros(n), definite(a)),
        "orthogonal": lambda a: jax.random.orthogonal(keys(a), n),
        "of a batch": lambda a: jax.vmap(lambda b: jnp.linalg.svd(made(b))[1])(a + jnp.arange(3.0)),
    }
    for name in functions:
        def run(*, a):
            return {"x": functions[name](a)}
        for repeat in range(int(sys.argv[2])):
            jr.sweep(run, {"a": np.linspace(1, 2, runs)}, progress=False)
        print(name, flush=True)
    """
)


@pytest.mark.campaign
@pytest.mark.parametrize("devices", [2, 8])
@pytest.mark.parametrize(("n", "runs"), [(40, 48), (10, 2000)])
def test_twenty_functions_of_lapack_do_not_hang_on_several_devices(devices, n, runs):
    """Seven of them did, within two sweeps, before batches were taken in pieces."""
    command = [sys.executable, "-c", CODE, str(devices), "50", str(n), str(runs)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=1200)
    assert done.returncode == 0, done.stderr[-2000:]
    assert len(done.stdout.splitlines()) == 20


def test_programs_of_lapack_run_in_a_sweep_and_are_right():
    matrices = np.random.default_rng(0).normal(size=(6, 5, 5)).astype(np.float32)

    def run(matrices, *, i, scale):
        def step(carry, _):
            return jnp.linalg.solve(matrices[i] + 5 * jnp.eye(5), carry), None

        vector = jax.lax.scan(step, jnp.ones(5), None, length=2)[0]
        root = jax.lax.cond(scale > 1, jnp.linalg.cholesky, lambda m: m, matrices[i] @ matrices[i].T + jnp.eye(5))
        grown = jax.lax.while_loop(lambda s: s[0] < scale, lambda s: (s[0] + 1, jnp.linalg.inv(s[1])), (0.0, root))[1]
        return {"vector": scale * vector, "root": root, "grown": grown, "values": jnp.linalg.svd(matrices)[1]}

    scales = [0.5, 2.5]
    result = jr.sweep(run, {"i": range(6), "scale": scales}, args=(matrices,), progress=False)
    for i, matrix in enumerate(matrices.astype(float)):
        inverse = np.linalg.inv(matrix + 5 * np.eye(5))
        definite = matrix @ matrix.T + np.eye(5)
        for scale in scales:
            cell = result.sel(i=i, scale=scale)
            np.testing.assert_allclose(cell.vector, scale * inverse @ inverse @ np.ones(5), rtol=1e-4)
            root = np.linalg.cholesky(definite) if scale > 1 else definite
            np.testing.assert_allclose(cell.root, root, rtol=1e-3, atol=1e-4)
            np.testing.assert_allclose(cell.grown, np.linalg.inv(root), rtol=1e-2, atol=1e-3)
            np.testing.assert_allclose(cell["values"], np.linalg.svd(matrices.astype(float))[1], rtol=1e-3, atol=1e-4)


N = 24
EVERY = {
    "cholesky": lambda a: jnp.linalg.cholesky(a @ a.T + jnp.eye(N)),
    "eig": lambda a: jax.lax.linalg.eig(a)[0].real,
    "eigh": lambda a: jnp.linalg.eigvalsh(a + a.T),
    "hessenberg": jax.scipy.linalg.hessenberg,
    "lu": lambda a: jax.scipy.linalg.lu_factor(a)[0],
    "pivoted qr": lambda a: jax.scipy.linalg.qr(a, pivoting=True)[1],
    "qr": lambda a: jnp.linalg.qr(a)[0],
    "schur": lambda a: jax.scipy.linalg.schur(a)[0],
    "svd": lambda a: jnp.linalg.svd(a)[1],
    "triangular_solve": lambda a: jax.scipy.linalg.solve_triangular(a + 5 * jnp.eye(N), a),
    "tridiagonal": lambda a: jax.lax.linalg.tridiagonal(a + a.T)[1],
    "tridiagonal_solve": lambda a: jax.lax.linalg.tridiagonal_solve(a[0].at[0].set(0), a[1] + 9, a[2], a[:, :2]),
    "multivariate_normal": lambda a: jax.random.multivariate_normal(jax.random.key(0), a[0], a @ a.T + jnp.eye(N)),
}


WORK = {  # of one N x N matrix in each kernel, as jaxlib counts it to decide whether a batch is split
    "potrf": N**3 / 3,
    "geev": 10 * N**3,
    "syevd": 5 * N**3,
    "gehrd": 2 * N**3,
    "getrf": N**3,
    "geqp3": 4 * N**3 / 3,
    "geqrf": 4 * N**3 / 3,
    "orgqr": 4 * N**3 / 3,
    "gees": 5 * N**3,
    "gesdd": 10 * N**3,
    "trsm": N**3,
    "sytrd": 4 * N**3 / 3,
    "gtsv": 5 * N * 2,
}
SPLIT_FROM = 200_000


@pytest.mark.parametrize("name", EVERY)
def test_no_kernel_of_lapack_is_left_with_a_batch_that_it_splits(name):
    """The lowered text is what counts: a primitive that `LAPACK` lacks would show a kernel of the whole batch there."""
    matrices = jnp.asarray(np.random.default_rng(1).normal(size=(1000, N, N)), jnp.float32)
    batch = jax.vmap(EVERY[name])
    assert uses_lapack(jax.make_jaxpr(batch)(matrices).jaxpr)
    text = jax.jit(take_lapack_in_turn(batch)).lower(matrices).as_text()
    kernels = [line for line in text.splitlines() if "custom_call" in line and ("lapack" in line or "blas" in line)]
    assert kernels
    for kernel in kernels:
        work = next(work for routine, work in WORK.items() if routine in kernel)
        sizes = [int(size) for size in re.findall(r"tensor<(\d+)x\d+x", kernel)]
        assert sizes
        assert max(sizes) == 1 or max(sizes) * work <= SPLIT_FROM
    few = matrices[:70]
    np.testing.assert_allclose(take_lapack_in_turn(batch)(few), batch(few), rtol=1e-3, atol=1e-3)


def test_a_batch_that_no_kernel_splits_is_left_as_it_is():
    matrices = jnp.broadcast_to(jnp.eye(10), (200, 10, 10))
    for batch in (matrices, matrices[:1], matrices[0], matrices[:0], matrices[None, :0]):
        program = jax.make_jaxpr(jax.scipy.linalg.lu_factor)(batch)
        assert str(jax.make_jaxpr(take_lapack_in_turn(jax.scipy.linalg.lu_factor))(batch)).count("scan") == str(
            program
        ).count("scan")


def test_programs_on_one_device_keep_their_batches():
    def run(*, a):
        return {"x": jnp.linalg.cholesky(a * jnp.eye(100))}

    study = entry._prepare(run, {"a": np.arange(1.0, 50.0)}, (), None, 49, jax.devices()[:1])
    assert study.programs[0].member.uses_lapack
    for devices, loops in ((1, 0), (2, 1)):
        mesh = execute.make_mesh(jax.devices()[:devices])
        text = program.compile_chunk(study.programs[0], (), study.box, mesh).as_text()
        assert ("while" in text) == bool(loops)


def test_every_primitive_named_exists():
    names = {getattr(jax.lax.linalg, name).name for name in dir(jax.lax.linalg) if name.endswith("_p")}
    assert LAPACK.keys() - names <= {"geqrf", "geqp3"}  # these two are not public
