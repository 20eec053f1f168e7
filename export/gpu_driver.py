"""Set up a Vulkan driver in software, on which artifacts for a GPU are run and proven without a GPU.

    python export/gpu_driver.py

Debian or Ubuntu, about 60 MB of downloads into a cache folder, no root: Mesa's llvmpipe, taken from Debian's backports.
Exporters and minivlm find it there; on a machine with a GPU they take that one's driver instead.
"""

from collections.abc import Sequence

from export.drivers.vulkan import cache_folder, read_cached, set_up
from minivlm.command_line import script_parser
from minivlm.console import Steps
from minivlm.errors import run_command


def main(argv: Sequence[str] | None = None) -> None:
    """Run the command line."""
    parser = script_parser(__doc__ or "")
    parser.add_argument("--again", action="store_true", help="set it up even if it is there")
    arguments = parser.parse_args(argv)
    folder = cache_folder()
    if not arguments.again and read_cached(folder) is not None:
        print(f"a software Vulkan driver is there, in {folder}")
        return
    version = set_up(folder, Steps())
    print(f"Mesa {version} is set up in {folder}")
    print("Next: python export/to_tflite.py --model tee-tiny --accelerator gpu")


if __name__ == "__main__":
    run_command(main)
