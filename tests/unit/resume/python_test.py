"""images/resume/python in interpreters of their own, with a folder in place of /run/anchorhold."""
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

SHIM = pathlib.Path(__file__).parents[3] / "images/resume/python"


class Resume(unittest.TestCase):
    def setUp(self):
        self.folder = tempfile.TemporaryDirectory()
        self.run = pathlib.Path(self.folder.name)
        (self.run / "resume").mkdir()
        self.set_generation(1)

    def tearDown(self):
        self.folder.cleanup()

    def set_generation(self, number):
        (self.run / "generation").write_text(f"{number:020}\n")

    def start(self, program, **environment):
        """A child that has run `program` up to its first line of output."""
        path = os.pathsep.join([str(SHIM), environment.pop("PYTHONPATH", "")]).rstrip(os.pathsep)
        child = subprocess.Popen(
            [sys.executable, "-u", "-B", "-c", program],
            env={**os.environ, "PYTHONPATH": path, "ANCHORHOLD_RUN": str(self.run), **environment},
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.addCleanup(child.stdout.close)
        self.addCleanup(child.stdin.close)
        self.addCleanup(child.wait)
        self.addCleanup(child.kill)
        child.first = child.stdout.readline().strip()
        return child

    def registrations(self):
        return sorted(path.name for path in (self.run / "resume").iterdir())

    def resume(self, child):
        number = int((self.run / f"resume/{child.pid}").read_text())
        child.send_signal(number)

    def test_process_registers_and_leaves_nothing_behind(self):
        child = self.start("print('ready'); input()")
        self.assertEqual(self.registrations(), [str(child.pid)])
        self.assertEqual((self.run / f"resume/{child.pid}").read_text(), "40\n")
        child.communicate("\n")
        self.assertEqual(child.returncode, 0)
        self.assertEqual(self.registrations(), [])

    def test_random_starts_anew_in_every_copy(self):
        program = "import random; random.seed(1); print('ready'); input(); print(random.random())"
        unsignalled = self.start(program).communicate("\n")[0]
        drawn = set()
        for _ in range(2):
            child = self.start(program)
            self.resume(child)
            drawn.add(child.communicate("\n")[0])
        self.assertEqual(len(drawn), 2)
        self.assertNotIn(unsignalled, drawn)

    def test_openssl_uuid_and_hooks_are_renewed_in_order(self):
        child = self.start(
            "import ssl, uuid, tempfile, anchorhold_resume as a\n"
            "added = []; ssl.RAND_add = lambda data, entropy: added.append((len(data), entropy))\n"
            "uuid._node = 5; before = uuid.uuid1(); tempfile._get_candidate_names()\n"
            "@a.on_resume\n"
            "def first(): raise ValueError('told on stderr')\n"
            "def last():\n"
            "    after = uuid.uuid1()\n"
            "    print(added, before.node == after.node, after.node == 5, tempfile._name_sequence,\n"
            "          a.generation())\n"
            "a.on_resume(last)\n"
            "import sys; sys.stderr = open('/dev/null', 'w')\n"
            "print('ready'); input()\n")
        self.set_generation(7)
        self.resume(child)
        self.assertEqual(child.communicate("\n")[0].strip(), "[(32, 32.0)] False False None 7")

    def test_forked_child_registers_too(self):
        child = self.start(
            "import os\npid = os.fork()\n"
            "if pid == 0:\n  print('ready'); input(); raise SystemExit\n"
            "os.waitpid(pid, 0); print(pid)\n")
        self.assertEqual(len(self.registrations()), 2)
        pid = child.communicate("\n")[0].strip()
        self.assertNotIn(pid, self.registrations())

    def test_outside_of_a_guest_nothing_happens(self):
        (self.run / "generation").unlink()
        child = self.start("import signal; print(signal.getsignal(40) is signal.SIG_DFL)")
        self.assertEqual(child.first, "True")
        self.assertEqual(self.registrations(), [])

    def test_hidden_sitecustomize_is_loaded(self):
        (self.run / "sitecustomize.py").write_text("import builtins; builtins.hidden = 'loaded'\n")
        child = self.start("print(hidden)", PYTHONPATH=str(self.run))
        self.assertEqual(child.first, "loaded")
        self.assertEqual(self.start("print('no other')").first, "no other")


if __name__ == "__main__":
    unittest.main()
