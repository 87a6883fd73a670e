"""docs/examples/openssl_resume.c, compiled, with a folder in place of /run/anchorhold."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

PROGRAM = sys.argv.pop()


class OpensslExample(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.generation = pathlib.Path(folder.name) / "generation"
        self.environment = {**os.environ, "ANCHORHOLD_RUN": folder.name}

    def set_generation(self, number):
        # As init does it: in place, so that a mapping shows it.
        with open(self.generation, "r+b" if self.generation.exists() else "wb", buffering=0) as file:
            file.write(f"{number:020}\n".encode())

    def start(self):
        child = subprocess.Popen([PROGRAM], env=self.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                 stderr=subprocess.DEVNULL, text=True)
        self.addCleanup(child.stdout.close)
        self.addCleanup(child.stdin.close)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        return child

    def draw(self, child):
        child.stdin.write("\n")
        child.stdin.flush()
        generation, value = child.stdout.readline().split()
        self.assertEqual(len(value), 32)
        return generation, value

    def test_resume_is_noticed_by_the_draw_after_it(self):
        self.set_generation(1)
        child = self.start()
        drawn = [self.draw(child), self.draw(child)]
        self.set_generation(7)
        drawn += [self.draw(child), self.draw(child)]
        self.assertEqual([int(generation) for generation, _ in drawn], [1, 1, 7, 7])
        self.assertEqual(len({value for _, value in drawn}), 4)

    def test_outside_of_a_guest_it_draws_all_the_same(self):
        self.assertEqual(self.draw(self.start())[0], "none")


if __name__ == "__main__":
    unittest.main()
