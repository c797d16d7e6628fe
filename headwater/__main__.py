"""``python -m headwater`` is the ``headwater`` command."""

from headwater.streaming.cli.app import main

if __name__ == "__main__":
    main()
