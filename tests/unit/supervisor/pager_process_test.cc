// A real pager under its supervisor's eye; this process is also the VMM whose memory it serves.
#include "supervisor/pager_process.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <atomic>
#include <bit>
#include <cerrno>
#include <string>
#include <thread>

#include "base/mapping.h"
#include "base/seqpacket.h"
#include "base/sys.h"
#include "proto/pager.pb.h"
#include "run_until.h"
#include "snapshot/memory_digests.h"
#include "snapshot/userfault.h"

namespace anchorhold::supervisor {
namespace {

constexpr uint64_t kBytes = 4 * snapshot::kChunkBytes;

class PagerProcessTest : public testing::Test {
  protected:
    PagerProcessTest() {
        installation.library = LIBRARY;
        files.memory = sys::memfd("memory", kBytes).value();
        for (uint64_t at = 0; at < kBytes; at += snapshot::kChunkBytes) {
            write(at, "chunk at " + std::to_string(at));
        }
        files.digests = sys::memfd("digests", 0).value();
        const auto digests = snapshot::compute_digests(files.memory.get()).value();
        EXPECT_TRUE(sys::write_all(files.digests.get(), std::string_view(snapshot::seal(digests))));
    }

    void SetUp() override {
        const auto device = open_userfaultfd_device();
        ASSERT_TRUE(device) << device.error().message;
    }

    void write(uint64_t at, std::string_view text) const {
        EXPECT_EQ(::pwrite(files.memory.get(), text.data(), text.size(), static_cast<off_t>(at)),
                  static_cast<ssize_t>(text.size()));
    }

    PagerProcess::OnFailed note() {
        return [this](const std::string& why) {
            EXPECT_FALSE(failed) << "told twice";
            failed = why;
        };
    }

    void start() {
        auto started = PagerProcess::start(*loop, installation, files, note());
        ASSERT_TRUE(started) << started.error().message;
        pager = std::move(started->pager);
        vmm = std::move(started->vmm);
    }

    // What the VMM does first; whether the pager is ready.
    bool attach() {
        mapping = OwnMapping::map(kBytes, PROT_READ | PROT_WRITE,
                                  MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE)
                      .value();
        userfault = snapshot::open_userfault(vmm.device.get(), mapping.bytes()).value();
        proto::PagerServe serve;
        serve.set_address(std::bit_cast<uintptr_t>(mapping.data()));
        serve.set_bytes(kBytes);
        serve.set_page_bytes(4096);
        const int passed = userfault.get();
        if (!send_packet(vmm.socket.get(), serve.SerializeAsString(), {&passed, 1})) {
            return false;
        }
        const auto packet = receive_packet(vmm.socket.get());
        return packet && packet->has_value() && !(*packet)->bytes.empty();
    }

    [[nodiscard]] std::string text_at(uint64_t at) const {
        return reinterpret_cast<const char*>(mapping.data() + at);
    }

    // Touches memory on a thread that waits for ever where nobody answers: until `release()`.
    void touch(uint64_t at) {
        toucher = std::thread([this, at] {
            [[maybe_unused]] const std::byte seen =
                *static_cast<volatile std::byte*>(mapping.data() + at);
            touched = true;
        });
    }
    void release() {
        userfault.reset();  // the last one: what is missing reads as zeros now
        toucher.join();
    }

    bool wait_for_failure() {
        return run_until(*loop, [this] { return failed.has_value(); });
    }
    [[nodiscard]] static bool no_child_is_left() {
        return ::waitpid(-1, nullptr, WNOHANG) == -1 && errno == ECHILD;
    }

    std::unique_ptr<EventLoop> loop = EventLoop::create().value();
    Installation installation;
    SnapshotFiles files;
    std::optional<std::string> failed;
    std::unique_ptr<PagerProcess> pager;
    PagerProcess::VmmSide vmm;
    OwnMapping mapping;
    OwnFd userfault;
    std::thread toucher;
    std::atomic<bool> touched = false;
};

TEST_F(PagerProcessTest, memory_is_the_files) {
    start();
    ASSERT_TRUE(attach());
    for (const uint64_t chunk : {3, 0, 2}) {
        const uint64_t at = chunk * snapshot::kChunkBytes;
        EXPECT_EQ(text_at(at), "chunk at " + std::to_string(at));
    }
    pager.reset();
    EXPECT_TRUE(no_child_is_left());
    EXPECT_FALSE(failed);
}

TEST_F(PagerProcessTest, end_of_the_vmm_is_no_failure) {
    start();
    ASSERT_TRUE(attach());
    vmm.socket.reset();
    ASSERT_TRUE(run_until(*loop, [this] { return no_child_is_left(); }));
    EXPECT_EQ(pager->failure(), std::nullopt);
    EXPECT_FALSE(failed);
}

TEST_F(PagerProcessTest, damaged_chunk_is_told_where_it_is_and_never_seen) {
    write(2 * snapshot::kChunkBytes, "C");
    start();
    ASSERT_TRUE(attach());
    EXPECT_EQ(text_at(0), "chunk at 0");
    touch(2 * snapshot::kChunkBytes);
    ASSERT_TRUE(wait_for_failure());
    EXPECT_EQ(*failed,
              "the guest's memory cannot be served: memory file: the 65536 bytes at 131072 are not "
              "what was written; the template is damaged, create it again");
    EXPECT_EQ(pager->failure(), failed);
    EXPECT_FALSE(touched);
    release();
}

TEST_F(PagerProcessTest, files_that_do_not_belong_together_are_refused_before_a_vmm_comes) {
    ASSERT_EQ(::ftruncate(files.memory.get(), kBytes + 4096), 0);
    start();
    ASSERT_TRUE(wait_for_failure());
    EXPECT_NE(failed->find("memory file: has 266240 bytes, its digests are of 262144"),
              std::string::npos)
        << *failed;
}

TEST_F(PagerProcessTest, its_word_is_there_before_its_vmm_can_notice) {
    write(0, "x");
    start();
    ASSERT_TRUE(attach());
    touch(0);
    const auto end = receive_packet(vmm.socket.get());  // blocks until it has ended
    EXPECT_TRUE(end && end->has_value() && (*end)->bytes.empty());
    EXPECT_NE(pager->failure().value_or("").find("the 65536 bytes at 0 are not"),
              std::string::npos);
    EXPECT_FALSE(failed) << "told from the loop only";
    ASSERT_TRUE(wait_for_failure());
    release();
}

TEST_F(PagerProcessTest, death_is_told_with_its_signal) {
    start();
    ASSERT_TRUE(attach());
    ASSERT_EQ(::kill(pager->pid(), SIGKILL), 0);
    ASSERT_TRUE(wait_for_failure());
    EXPECT_EQ(*failed,
              "the guest's memory cannot be served: anchorhold-pager ended unexpectedly: killed by "
              "signal 9 (Killed)");
    EXPECT_TRUE(no_child_is_left());
}

TEST_F(PagerProcessTest, memory_without_digests_is_not_served) {
    files.digests.reset();
    const auto started = PagerProcess::start(*loop, installation, files, note());
    ASSERT_FALSE(started);
    EXPECT_NE(started.error().message.find("digests"), std::string::npos);
}

TEST_F(PagerProcessTest, missing_program_is_named) {
    installation.library = "/nowhere";
    const auto started = PagerProcess::start(*loop, installation, files, note());
    ASSERT_FALSE(started);
    EXPECT_EQ(started.error().message,
              "execute /nowhere/anchorhold-pager: No such file or directory");
}

TEST_F(PagerProcessTest, adopted_one_serves_on_and_its_failure_is_told) {
    write(snapshot::kChunkBytes, "x");
    start();
    ASSERT_TRUE(attach());
    OwnFd control(::fcntl(pager->control(), F_DUPFD_CLOEXEC, 0));
    OwnFd pidfd(::fcntl(pager->pidfd(), F_DUPFD_CLOEXEC, 0));
    const pid_t pid = pager->pid();
    pager->let_go();
    pager.reset();
    auto adopted = PagerProcess::adopt(*loop, std::move(control), std::move(pidfd), note());
    ASSERT_TRUE(adopted) << adopted.error().message;
    EXPECT_EQ((*adopted)->pid(), pid);
    EXPECT_EQ(text_at(0), "chunk at 0");
    touch(snapshot::kChunkBytes);
    ASSERT_TRUE(wait_for_failure());
    EXPECT_NE(failed->find("the 65536 bytes at 65536 are not"), std::string::npos) << *failed;
    release();
}

}  // namespace
}  // namespace anchorhold::supervisor
