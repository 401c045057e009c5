"""Drawing with matplotlib: one style, bands with their n, animations, typed curves, files with stable bytes."""

from .animation import CONTROLS_HEIGHT as CONTROLS_HEIGHT
from .animation import Animation as Animation
from .animation import build_player as build_player
from .animation import render as render
from .animation import save_animation as save_animation
from .bands import band as band
from .bands import bars as bars
from .bands import count_runs as count_runs
from .bands import describe_band as describe_band
from .bands import mark_runs as mark_runs
from .contours import draw_contours as draw_contours
from .curves import implicit_curve as implicit_curve
from .curves import trace_curve as trace_curve
from .descents import animate_descents as animate_descents
from .files import save as save
from .legends import clear_legends as clear_legends
from .looks import COLORS as COLORS
from .looks import COLUMN_WIDTH as COLUMN_WIDTH
from .looks import PAGE_WIDTH as PAGE_WIDTH
from .looks import style as style
from .typed import curve_from_text as curve_from_text
from .typed import parse_equation as parse_equation
