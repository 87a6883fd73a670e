// A sandbox's life against a VMM that follows a script: every way it can end, and the words for it.
#include "supervisor/sandbox.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <optional>
#include <string>
#include <vector>

#include "base/log.h"
#include "erofs_image.h"
#include "fakes/manual_clock.h"
#include "run_until.h"
#include "temporary_folder.h"

namespace anchorhold::supervisor {
namespace {

using namespace std::chrono_literals;

size_t open_descriptors() {
    using Iterator = std::filesystem::directory_iterator;
    return static_cast<size_t>(std::distance(Iterator("/proc/self/fd"), Iterator()));
}

class SandboxTest : public testing::Test {
  protected:
    SandboxTest() {
        std::string elf =
            "\x7f"
            "ELF";
        elf.resize(64);
        installation.vmm = FAKE_VMM;
        installation.kvm = folder.write("kvm", "");
        installation.kernel = folder.write("vmlinux", elf);
        installation.initrd = folder.path() + "/init.cpio";
        installation.images = folder.path() + "/images";
        folder.write("images/tiny.erofs", erofs_image());
        spec.disk_bytes = 0;
        spec.memory_bytes = kMinMemoryBytes;
    }

    Result<std::unique_ptr<Sandbox>> try_start(const std::string& script) {
        folder.write("init.cpio", script);
        end.reset();
        ready = 0;
        return Sandbox::start(*loop, installation, spec, {},
                              {[&] { ++ready; }, [&](const std::string& error) { end = error; },
                               [&](std::string_view bytes) { console += bytes; }});
    }

    void start(const std::string& script) {
        auto started = try_start(script);
        ASSERT_TRUE(started) << started.error().message;
        sandbox = std::move(*started);
    }

    void start_and_wait_ready(const std::string& script) {
        start(script);
        ASSERT_TRUE(run_until(*loop, [&] { return ready == 1 || end.has_value(); }));
        ASSERT_EQ(ready, 1) << *end;
    }

    // Waits for the end; the words of it.
    std::string outcome() {
        EXPECT_TRUE(run_until(*loop, [&] { return end.has_value(); }));
        EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1) << "the VMM was not reaped";
        return end.value_or("(never)");
    }

    TemporaryFolder folder;
    fakes::ManualClock clock;
    std::unique_ptr<EventLoop> loop = EventLoop::create(clock).value();
    Installation installation;
    SandboxSpec spec;
    std::string console;
    std::optional<std::string> end;
    int ready = 0;
    std::unique_ptr<Sandbox> sandbox;
};

TEST_F(SandboxTest, outcomes_before_ready_have_these_words) {
    const struct {
        const char* script;
        const char* outcome;
    } cases[] = {
        // What the VMM reports.
        {"started\nended RESET\n", "the guest reset itself"},
        {"started\nended PANIC Attempted to kill init!\n",
         "guest kernel panic: Attempted to kill init!"},
        {"ended PANIC \x1b[31mred\n", "guest kernel panic: \\x1b[31mred"},
        {"started\nended CRASH triple fault\n", "the guest crashed: triple fault"},
        {"started\nended CRASH triple fault|first line\\nlast line\\n\n",
         "the guest crashed: triple fault; its kernel's last line: last line"},
        {"started\nended CRASH triple fault|only\n",
         "the guest crashed: triple fault; its kernel's last line: only"},
        {"ended FAILED kernel: not a PVH kernel\n", "kernel: not a PVH kernel"},
        {"ended UNKNOWN\n", "the VMM ended for a reason it did not name"},
        {"started\nended RESET\nended PANIC too late\n", "the guest reset itself"},
        // What it does not report.
        {"exit 0\n", "the VMM ended unexpectedly"},
        {"started\nexit 3\n", "the VMM ended unexpectedly: exit status 3"},
        {"started\nsignal 9\n", "the VMM ended unexpectedly: killed by signal 9 (Killed)"},
        {"unset\nexit 0\n", "the VMM ended unexpectedly"},
        // What a VMM that was taken over might try.
        {"garbage\nended RESET\nstay\n",
         "the VMM ended unexpectedly: the VMM's event is not a valid message"},
        {"descriptor\nstay\n", "the VMM ended unexpectedly: it sent descriptors nobody asked for"},
        {"oversize\nstay\n",
         "the VMM ended unexpectedly: recvmsg packet from the other side is too large: Message too "
         "long"},
        // What init says, or fails to say.
        {"started\nstream\nhang-up\nstay\n", "the guest's init broke off before it was ready"},
        {"started\nstream\nframe-cut\nhang-up\nstay\n",
         "the guest's init broke off before it was ready"},
        {"started\nstream\nframe-oversize\nstay\n",
         "the guest's init: frame of 4097 bytes, the bound is 4096"},
        {"started\nstream\nframe-garbage\nstay\n",
         "the guest's init: init's report is not a valid message"},
        {"started\nstream\nversion 99\nstay\n",
         "init speaks protocol 99, this supervisor 1: rebuild both"},
    };
    for (const auto& test : cases) {
        start(test.script);
        EXPECT_EQ(outcome(), test.outcome) << test.script;
        EXPECT_EQ(ready, 0) << test.script;
        sandbox.reset();
    }
}

TEST_F(SandboxTest, disk_failure_on_the_host_says_what_to_do) {
    ASSERT_EQ(::setenv("XDG_CACHE_HOME", "/cache", 1), 0);
    start("started\nbackend write: No space left on device\nended PANIC journal\nstay\n");
    EXPECT_EQ(outcome(),
              "the sandbox's disk failed on this host: write: No space left on device (free some "
              "space below "
              "/cache/anchorhold/disks, or use --disk 0)");
    ASSERT_EQ(::unsetenv("XDG_CACHE_HOME"), 0);
}

TEST_F(SandboxTest, guest_that_never_becomes_ready_is_given_up) {
    start("started\nsay here\nstay\n");
    EXPECT_TRUE(run_until(*loop, [&] { return console == "here"; }));
    clock.advance(119s);
    ASSERT_TRUE(loop->run_once(Duration::zero()));
    EXPECT_FALSE(end.has_value());
    clock.advance(1s);
    EXPECT_EQ(outcome(), "the guest did not become ready within 120 s");
}

TEST_F(SandboxTest, ready_guest_is_told_once_and_its_times_are_on_the_hosts_clock) {
    start_and_wait_ready("started\nstream\nready\nserve\n");
    const Timeline& timeline = sandbox->timeline();
    EXPECT_EQ(timeline.vmm_main, 1000U);
    EXPECT_EQ(timeline.running, 2000U);
    EXPECT_EQ(timeline.init_started, 2000U + 500U);
    EXPECT_EQ(timeline.init_ready, 2000U + 1000U);
    EXPECT_GE(timeline.spawned, timeline.requested);
    EXPECT_GE(timeline.ready, timeline.spawned);
    sandbox->note_exec(2100);
    EXPECT_EQ(timeline.exec, 2000U + 2000U);
    clock.advance(1h);  // the boot's deadline is over
    ASSERT_TRUE(loop->run_once(Duration::zero()));
    EXPECT_FALSE(end.has_value());
    EXPECT_EQ(ready, 1);
}

TEST_F(SandboxTest, warnings_of_init_are_logged_escaped) {
    log::configure("test", log::Level::kWarning);
    testing::internal::CaptureStderr();
    start_and_wait_ready("started\nstream\nready no swap\x07\nserve\n");
    EXPECT_THAT(testing::internal::GetCapturedStderr(),
                testing::EndsWith("warning: guest init: no swap\\x07\n"));
}

TEST_F(SandboxTest, configure_describes_the_machine_and_hands_over_its_files) {
    spec.cpus = 2;
    spec.console = true;
    start("configure\nstay\n");
    EXPECT_TRUE(run_until(*loop, [&] { return !console.empty(); }));
    EXPECT_EQ(console, "cpus=2 memory=67108864 console=1 fds=5 root:ro:ro port=1024");
}

TEST_F(SandboxTest, disk_is_the_second_block_device_writable_and_nameless) {
    ASSERT_EQ(::setenv("XDG_CACHE_HOME", folder.path().c_str(), 1), 0);
    spec.disk_bytes = kMinDiskBytes;
    start("configure\nstay\n");
    ASSERT_EQ(::unsetenv("XDG_CACHE_HOME"), 0);
    EXPECT_TRUE(run_until(*loop, [&] { return !console.empty(); }));
    EXPECT_EQ(console, "cpus=1 memory=67108864 console=0 fds=6 root:ro:ro disk:rw:rw port=1024");
    EXPECT_TRUE(std::filesystem::is_empty(folder.path() + "/anchorhold/disks"));
}

TEST_F(SandboxTest, exec_stream_reaches_the_guests_port_only_while_it_runs) {
    start("started\nsay here\nstream\nready\nserve\n");
    const auto early = sandbox->open_exec_stream();
    ASSERT_FALSE(early);
    EXPECT_EQ(early.error().message, "the sandbox is not running");
    ASSERT_TRUE(run_until(*loop, [&] { return ready == 1; }));
    const OwnFd stream = sandbox->open_exec_stream().value();
    std::string text;
    ASSERT_TRUE(loop->add(stream.get(), EPOLLIN, [&](uint32_t) {
        std::array<std::byte, 64> buffer{};
        const auto count = sys::read_some(stream.get(), buffer).value();
        text.append(reinterpret_cast<const char*>(buffer.data()), count.value_or(0));
    }));
    EXPECT_TRUE(run_until(*loop, [&] { return text == "port 1025"; }));
    loop->remove(stream.get());
    sandbox->destroy();
    EXPECT_FALSE(sandbox->open_exec_stream());
    EXPECT_EQ(outcome(), "");
    EXPECT_FALSE(sandbox->open_exec_stream());
}

TEST_F(SandboxTest, destroy_is_an_orderly_end) {
    start_and_wait_ready("started\nstream\nready\nserve\n");
    const pid_t pid = sandbox->vmm_pid();
    sandbox->destroy();
    sandbox->destroy();
    EXPECT_EQ(outcome(), "");
    EXPECT_EQ(::kill(pid, 0), -1);
}

TEST_F(SandboxTest, destroy_while_booting_is_an_orderly_end) {
    start("started\nstay\n");
    sandbox->destroy();
    EXPECT_EQ(outcome(), "");
    EXPECT_EQ(ready, 0);
}

TEST_F(SandboxTest, vmm_killed_from_outside_while_ready_is_an_unexpected_end) {
    start_and_wait_ready("started\nstream\nready\nserve\n");
    ASSERT_EQ(::kill(sandbox->vmm_pid(), SIGKILL), 0);
    EXPECT_EQ(outcome(), "the VMM ended unexpectedly: killed by signal 9 (Killed)");
}

TEST_F(SandboxTest, guest_that_panics_while_ready_ends_with_its_words) {
    start_and_wait_ready("started\nstream\nready\nawait\nended PANIC out of memory\n");
    ASSERT_TRUE(sandbox->request_statistics(nullptr));
    EXPECT_EQ(outcome(), "guest kernel panic: out of memory");
}

TEST_F(SandboxTest, ready_that_follows_the_end_is_not_told) {
    start("started\nended RESET\nstream\nready\nsay said\nstay\n");
    EXPECT_TRUE(run_until(*loop, [&] { return console == "said"; }));
    // What was written before "said" is there to be read; the VMM ends only when its time is up.
    for (int turn = 0; turn < 5; ++turn) {
        ASSERT_TRUE(loop->run_once(Duration::zero()));
    }
    EXPECT_EQ(ready, 0);
    clock.advance(5s);
    EXPECT_EQ(outcome(), "the guest reset itself");
}

TEST_F(SandboxTest, streams_that_are_not_one_stream_socket_are_closed_unread) {
    for (const char* kind : {"none", "two", "garbage", "seqpacket"}) {
        start(std::string("started\nstream ") + kind + "\nready\nstream\nready\nserve\n");
        EXPECT_TRUE(run_until(*loop, [&] { return ready == 1 || end.has_value(); })) << kind;
        EXPECT_EQ(ready, 1) << kind << ": " << end.value_or("");
        sandbox.reset();
    }
}

// A VMM has our standard error; given back as a "stream" it must neither be read nor made
// non-blocking.
TEST_F(SandboxTest, own_standard_error_passed_back_is_left_alone) {
    const OwnFd kept = sys::dup_cloexec(2).value();
    const sys::Pipe terminal = sys::pipe().value();
    ASSERT_GE(::dup2(terminal.write_end.get(), 2), 0);
    start("started\nstream stderr\nready\nstream\nready\nserve\n");
    const bool was_ready = run_until(*loop, [&] { return ready == 1 || end.has_value(); });
    const int flags = ::fcntl(2, F_GETFL);
    ASSERT_GE(::dup2(kept.get(), 2), 0);
    EXPECT_TRUE(was_ready);
    EXPECT_EQ(ready, 1);
    EXPECT_EQ(flags & O_NONBLOCK, 0);
}

TEST_F(SandboxTest, last_words_of_init_name_the_image_and_are_escaped) {
    const std::string prefix =
        "image " + installation.image_path(spec.image) + ": the guest cannot start from it: ";
    start(
        "started\nended PANIC Attempted to kill init!|anchorhold-init: cannot start: mount: "
        "Structure needs "
        "cleaning\\nKernel panic\\n\n");
    EXPECT_EQ(outcome(), prefix + "mount: Structure needs cleaning");
    sandbox.reset();
    end.reset();
    start("started\nended RESET|anchorhold-init: cannot start: \x1b[2J\n");
    EXPECT_EQ(outcome(), prefix + "\\x1b[2J");
}

TEST_F(SandboxTest, second_stream_of_the_guest_is_ignored) {
    start_and_wait_ready("started\nstream\nready\nstream\nready again\nserve\n");
    for (int turn = 0; turn < 5; ++turn) {
        ASSERT_TRUE(loop->run_once(Duration::zero()));
    }
    EXPECT_FALSE(end.has_value());
    EXPECT_TRUE(sandbox->open_exec_stream());
}

TEST_F(SandboxTest, statistics_arrive_at_who_asked) {
    start_and_wait_ready("started\nstream\nready\nserve\n");
    uint64_t streams = 0;
    ASSERT_TRUE(sandbox->request_statistics(
        [&](const proto::Statistics& statistics) { streams = statistics.open_streams(); }));
    EXPECT_TRUE(run_until(*loop, [&] { return streams == 7; }));
}

TEST_F(SandboxTest, end_handler_may_destroy_the_sandbox) {
    folder.write("init.cpio", "started\nended RESET\n");
    bool ended = false;
    sandbox = Sandbox::start(*loop, installation, spec, {},
                             {[] {},
                              [&](const std::string&) {
                                  sandbox.reset();
                                  ended = true;
                              },
                              nullptr})
                  .value();
    EXPECT_TRUE(run_until(*loop, [&] { return ended; }));
}

TEST_F(SandboxTest, refused_starts_name_the_cause_and_leave_nothing) {
    const std::string missing = folder.path() + "/missing";
    const Installation good = installation;
    const SandboxSpec good_spec = spec;
    const auto expect_refused = [&](const std::string& message) {
        const size_t before = open_descriptors();
        const auto refused = try_start("stay\n");
        ASSERT_FALSE(refused) << message;
        EXPECT_EQ(refused.error().message, message);
        EXPECT_EQ(open_descriptors(), before);
        EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
        installation = good;
        spec = good_spec;
    };
    const std::string reason = ": No such file or directory";
    spec.cpus = 0;
    expect_refused("--cpus 0: a sandbox has 1 to 8 processors");
    installation.kvm = missing;
    expect_refused("open " + missing + reason);
    installation.kernel = missing;
    expect_refused("kernel " + missing + reason);
    spec.kernel = missing;
    expect_refused("kernel " + missing + reason);
    spec.image = "other";
    expect_refused("image " + folder.path() + "/images/other.erofs" + reason);
    spec.image = good.kernel;
    expect_refused("image " + good.kernel + ": 64 bytes are too few for an EROFS file system");
    installation.vmm = missing;
    expect_refused("execute " + missing + reason);
}

TEST_F(SandboxTest, whole_life_leaves_no_descriptor) {
    const size_t before = open_descriptors();
    start_and_wait_ready("started\nstream\nready\nserve\n");
    sandbox->destroy();
    EXPECT_EQ(outcome(), "");
    sandbox.reset();
    EXPECT_EQ(open_descriptors(), before);
}

TEST_F(SandboxTest, destructor_of_a_running_sandbox_leaves_nothing_and_stays_silent) {
    const size_t before = open_descriptors();
    start_and_wait_ready("started\nstream\nready\nserve\n");
    sandbox.reset();
    EXPECT_EQ(::waitpid(-1, nullptr, WNOHANG), -1);
    EXPECT_EQ(open_descriptors(), before);
    ASSERT_TRUE(loop->run_once(Duration::zero()));
    EXPECT_FALSE(end.has_value());
}

}  // namespace
}  // namespace anchorhold::supervisor
