"""`python -m minivlm` is the command `minivlm`."""

from minivlm.cli.main import main

if __name__ == "__main__":
    main()
