"""What only flash can show: updates and `boot.json` on littlefs, whose power fails at every single write.

For MicroPython, whose unix port has littlefs; the flash is a piece of RAM.

    micropython tests/firmware/flash_rules.py firmware rule…
"""

import os
import sys

BLOCK = 512


class PowerCut(OSError):
    """The write that was under way when the power went."""


class Flash:
    """A block device in RAM (MicroPython's extended protocol) that loses power after `left` writes."""

    def __init__(self, blocks, image=None):
        self.image = bytearray(image) if image else bytearray(blocks * BLOCK)
        self.left = None

    def readblocks(self, n, into, offset=0):
        start = n * BLOCK + offset
        into[:] = self.image[start : start + len(into)]

    def writeblocks(self, n, data, offset=None):
        start, length = n * BLOCK + (offset or 0), len(data)
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise PowerCut(5)
            if self.left == 0:
                length //= 2  # the last write gets half through
        self.image[start : start + length] = data[:length]

    def ioctl(self, op, arg):
        if op == 4:
            return len(self.image) // BLOCK
        if op == 5:
            return BLOCK
        return 0


def mounted(flash, fresh=False):
    """The flash as the folder /flash/."""
    if fresh:
        os.VfsLfs2.mkfs(flash)
    os.mount(os.VfsLfs2(flash), "/flash")
    return "/flash/"


def gone():
    """The power is off: what is not on the flash is lost."""
    os.umount("/flash")


def read(path):
    with open(path, "rb") as file:
        return file.read()


OLD = [("app.py", b"old\n" * 200), ("wire.py", b"older\n" * 100)]


def worked_for_a_while():
    """The image of a flash whose slot a runs and has shown that it works."""
    import slots
    from board_rules import bundle, unpacked

    flash = Flash(64)
    root = mounted(flash, True)
    unpacked(root, *bundle(version="0.1.9", counter=5, files=OLD))
    slots.confirm(root)
    gone()
    return bytes(flash.image)


def holds(root, slot, files):
    """Whether a slot has these files and no others."""
    names = sorted(os.listdir(root + slot))
    return names == sorted([name for name, _ in files]) and all(
        [read(root + slot + "/" + name) == content for name, content in files]
    )


def rule_a_power_cut_at_any_write_of_an_update_leaves_a_copy_that_starts():
    import slots
    from board_rules import FILES, bundle, unpacked

    image = worked_for_a_while()
    offer, whole = bundle()
    cuts, done = 0, False
    while not done:
        flash = Flash(64, image)
        root = mounted(flash)
        flash.left = cuts
        try:
            unpacked(root, offer, whole)
            done = flash.left > 0
        except OSError:
            pass
        gone()
        flash.left = None
        root = mounted(flash)
        slot = slots.start(root)
        assert slot in ("a", "b") and holds(root, slot, FILES if slot == "b" else OLD), cuts
        if slot == "a":
            assert unpacked(root, offer, whole) == "b" and holds(root, "b", FILES), cuts
        assert holds(root, "a", OLD), cuts
        gone()
        cuts += 1
    assert cuts > 20


def rule_a_power_cut_at_any_write_of_a_start_leaves_a_copy_that_starts():
    import slots
    from board_rules import bundle, unpacked

    flash = Flash(64, worked_for_a_while())
    root = mounted(flash)
    unpacked(root, *bundle())
    gone()
    image = bytes(flash.image)
    for act in (slots.start, slots.confirm, slots.back):
        cuts, done = 0, False
        while not done:
            flash = Flash(64, image)
            root = mounted(flash)
            flash.left = cuts
            try:
                act(root)
                done = flash.left > 0
            except OSError:
                pass
            gone()
            flash.left = None
            root = mounted(flash)
            assert [slots.start(root) for _ in range(5)][-1] in ("a", "b"), cuts
            assert slots.read(root)["counter"] == 7
            gone()
            cuts += 1
        assert cuts > 1


def rule_starts_that_lose_power_are_counted_all_the_same():
    import slots
    from board_rules import bundle, unpacked

    flash = Flash(64, worked_for_a_while())
    root = mounted(flash)
    unpacked(root, *bundle())
    chosen = []
    for _ in range(5):
        gone()
        root = mounted(flash)
        chosen.append(slots.start(root))
    assert chosen == ["b", "b", "b", "a", "a"]


def rule_a_flash_that_is_full_refuses_the_update_and_is_no_fuller_after():
    import slots
    from board_rules import bundle, refusal, unpacked

    flash = Flash(64)
    root = mounted(flash, True)
    with open(root + "filler", "wb") as file:
        file.write(bytes(16000))
    before = os.statvfs(root)[4]
    assert "there is no room" in refusal(unpacked, root, *bundle())
    assert os.statvfs(root)[4] >= before - 2 and slots.start(root) == ""


def rule_a_flash_on_which_nothing_can_be_written_runs_what_was_flashed():
    import main
    from board_rules import bundle, unpacked

    flash = Flash(64, worked_for_a_while())
    root = mounted(flash)
    assert main.choose(root) == ("a", None)
    unpacked(root, *bundle())
    flash.left = 0
    slot, before = main.choose(root)
    assert slot == "" and before.startswith("b: boot.json cannot be written")
    flash.left = None
    assert [main.choose(root)[0] for _ in range(3)] == ["b", "b", "b"]
    assert main.choose(root) == ("a", "b: three starts without a connection")


def rule_a_flash_that_fills_up_on_the_way_refuses_it_too():
    import slots
    import unpack
    from board_rules import bundle, unpacked

    unpack.SPARE = -100000
    flash = Flash(64)
    root = mounted(flash, True)
    files = [("app.py", bytes(40000))]
    try:
        unpacked(root, *bundle(files=files))
        raise AssertionError("it was let through")
    except OSError:
        pass
    assert slots.start(root) == ""


RULES = sorted(name for name in globals() if name.startswith("rule_"))


def main(firmware, names):
    """Runs the rules by name with the modules of that folder; the first that is broken ends the run."""
    sys.path[:0] = [firmware, __file__.rpartition("/")[0]]
    for name in names:
        globals()[name]()
        print("kept:", name)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2:])
