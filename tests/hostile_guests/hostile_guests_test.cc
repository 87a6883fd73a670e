// Each attack in a machine of its own: it was made, it ended as it should, and another sandbox goes
// on answering meanwhile and afterwards.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <memory>
#include <ostream>
#include <sstream>

#include "hostile_guests/hostile_machine.h"
#include "vm/anchorhold.h"
#include "vmm/kvm/msr_filter.h"

namespace anchorhold::vm_test {
namespace {

using vmm::kvm::MsrAccess;

// Of the VMM's own memory; the guest's is not in it.
constexpr uint64_t kMostMemory = 16 * 1024;  // KiB

// A sandbox with nothing to do with it, which has to stay as quick to answer as ever.
class Neighbour {
  public:
    Neighbour()
        : running_(Running::command(
              {"sh", "-c", "echo here; while read -r question; do echo \"answer $question\"; done"},
              {"-t"}, Running::Streams::kTerminal)) {}

    bool answers() {
        const std::string number = std::to_string(++questions_);
        if (questions_ == 1 && !running_.wait_for("here")) {
            return false;
        }
        running_.type(number + "\n");
        return running_.wait_for("answer " + number + "\r\n");
    }

  private:
    Running running_;
    unsigned questions_ = 0;
};

class HostileGuests : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        rlimit files{};
        ::getrlimit(RLIMIT_NOFILE, &files);
        files.rlim_cur = std::min<rlim_t>(files.rlim_max, 8192);  // thousands of streams are held
        ::setrlimit(RLIMIT_NOFILE, &files);
        neighbour_ = std::make_unique<Neighbour>();
        ASSERT_TRUE(neighbour_->answers());
    }
    static void TearDownTestSuite() { neighbour_.reset(); }
    ~HostileGuests() override { EXPECT_TRUE(neighbour_->answers()); }

    static std::unique_ptr<Neighbour> neighbour_;
};
std::unique_ptr<Neighbour> HostileGuests::neighbour_;

// --- Attacks that end in a drop, or in a device that stops until its driver resets it.

struct Dropped {
    const char* attack;
    uint64_t least_made;
    const char* outcome;  // what the guest saw of it
};
constexpr Dropped kDropped[] = {
    {"descriptor_loops", 28, "stopped"},
    {"chains_outside_memory", 42, "stopped"},
    {"lengths_that_wrap", 42, "stopped"},
    {"indices_out_of_range", 35, "stopped"},
    {"rings_on_top_of_each_other", 800, "survived"},
    {"queue_registers_after_activation", 150, "kept"},
    {"queues_that_cannot_be", 45, "stopped"},
    {"features_not_offered", 20, "refused"},
    {"status_out_of_order", 2560, "survived"},
    {"notify_storm", 20'000, "survived"},
    {"reset_storm", 500, "survived"},
    {"register_sweep", 13'000, "survived"},
    {"vsock_others_addresses", 11, "dropped"},
    {"vsock_other_types", 4, "reset"},
    {"vsock_other_operations", 13, "reset"},
    {"vsock_lengths_beyond_the_chain", 8, "reset"},
    {"vsock_credit_overrun", 2, "reset"},
    {"vsock_credit_lies", 32, "survived"},
    {"vsock_half_open_connections", 100'000, "bounded"},
    {"vsock_port_sweep", 1100, "two_ports"},
    {"vsock_receive_buffers_without_room", 3, "stopped"},
    {"vsock_shutdown_and_reset_storm", 600, "survived"},
    {"block_beyond_the_disk", 28, "io_error"},
    {"block_odd_lengths", 12, "io_error"},
    {"block_writes_to_the_read_only_disk", 3, "refused"},
    {"block_unknown_requests", 8, "unsupported"},
    {"block_ranges_beyond_the_disk", 12, "refused"},
    {"block_no_place_for_the_status", 4, "stopped"},
    {"block_data_over_the_ring", 50, "survived"},
    {"block_request_flood", 1200, "survived"},
    {"balloon_and_memory_bomb", 20'000, "survived"},
    {"balloon_pages_that_are_no_memory", 6, "ignored"},
    {"balloon_buffers_that_are_no_arrays", 5, "stopped"},
    {"msr_read_sweep", 10'000, "swept"},
    {"msr_write_sweep", 30'000, "swept"},
    {"cpuid_sweep", 5'000, "hidden"},
    {"nested_virtualisation", 3, "refused"},
    {"performance_counters", 12, "still"},
    {"hypercall_sweep", 193, "survived"},
    {"clock_games", 5000, "survived"},
    {"interrupt_storm", 5000, "survived"},
    {"port_sweep", 55'000, "survived"},
    {"address_sweep", 8000, "survived"},
    {"console_flood", 16'000, "survived"},
};
void PrintTo(const Dropped& dropped, std::ostream* out) {
    *out << dropped.attack;
}

class Drops : public HostileGuests, public testing::WithParamInterface<Dropped> {
  protected:
    // "attack NAME made COUNT OUTCOME", as the guest says it.
    static void expect_made(const HostileMachine& machine, const Dropped& dropped) {
        const std::string mark = "attack " + std::string(dropped.attack) + " made ";
        const size_t at = machine.said().find(mark);
        ASSERT_NE(at, std::string::npos) << machine.said();
        std::istringstream words(machine.said().substr(at + mark.size()));
        uint64_t made = 0;
        std::string outcome;
        words >> made >> outcome;
        EXPECT_GE(made, dropped.least_made);
        EXPECT_EQ(outcome, dropped.outcome) << machine.said();
    }
    // The ranges that the guest found, "WHAT FIRST LAST" each; all of them on the list.
    static void expect_on_the_list(const std::string& said, const std::string& what,
                                   MsrAccess access) {
        std::istringstream lines(said);
        unsigned found = 0;
        for (std::string line; std::getline(lines, line);) {
            std::istringstream words(line);
            std::string first_word;
            uint32_t first = 0;
            uint32_t last = 0;
            words >> first_word >> std::hex >> first >> last;
            for (uint32_t index = first; first_word == what && index <= last; ++index) {
                const bool local_apic = index >= 0x800 && index <= 0x8ff;
                EXPECT_TRUE(local_apic || vmm::kvm::msr_allowed(index, access))
                    << what << " " << std::hex << index;
                ++found;
            }
        }
        EXPECT_GT(found, 20U) << said;
    }
};

TEST_P(Drops, end_in_a_drop) {
    const Dropped& dropped = GetParam();
    const std::string attack = dropped.attack;
    HostileMachine machine(attack + "\n");
    EXPECT_TRUE(neighbour_->answers());
    EXPECT_TRUE(machine.run()) << machine.said();
    EXPECT_EQ(machine.process_end(), "") << machine.said();
    ASSERT_TRUE(machine.ended()) << machine.said();
    EXPECT_EQ(machine.ended()->reason(), proto::Ended::RESET) << machine.ended()->detail();
    expect_made(machine, dropped);

    ASSERT_TRUE(machine.statistics());
    RecordProperty("vmm_kib", std::to_string(machine.most_memory()));
    EXPECT_GT(machine.most_memory(), 0U);
    EXPECT_LE(machine.most_memory(), kMostMemory);
    EXPECT_LE(machine.statistics()->memory_bytes(), HostileMachine::kMemory);
    EXPECT_LE(machine.statistics()->open_streams(), 1024U);
    EXPECT_TRUE(machine.read_only_disk_is_whole());
    EXPECT_EQ(machine.disk_bytes(), HostileMachine::kDisk);
    if (attack == "msr_read_sweep") {
        expect_on_the_list(machine.said(), "readable", MsrAccess::kRead);
    } else if (attack == "msr_write_sweep") {
        expect_on_the_list(machine.said(), "writable", MsrAccess::kWrite);
    } else if (attack == "port_sweep") {
        EXPECT_GT(machine.statistics()->unknown_accesses(), 50'000U);
    } else if (attack == "address_sweep" || attack == "register_sweep") {
        EXPECT_GT(machine.statistics()->unknown_accesses(), 5'000U);
    }
}
INSTANTIATE_TEST_SUITE_P(Attack, Drops, testing::ValuesIn(kDropped),
                         [](const auto& of) { return std::string(of.param.attack); });

// --- Attacks that end the machine: by itself, or because somebody has to.

struct Ending {
    const char* attack;
    proto::Ended::Reason reason;  // UNKNOWN: it has to be killed
    const char* detail;           // in the reason's line
};
constexpr Ending kEndings[] = {
    {"triple_faults", proto::Ended::CRASH, "triple-faulted"},
    {"runs_registers_as_code", proto::Ended::CRASH, "KVM cannot run what the guest does"},
    {"runs_nothing_as_code", proto::Ended::CRASH, "KVM cannot run what the guest does"},
    {"halts_for_ever", proto::Ended::UNKNOWN, ""},
    {"spins_for_ever", proto::Ended::UNKNOWN, ""},
    {"resets_at_once", proto::Ended::RESET, ""},
};
void PrintTo(const Ending& ending, std::ostream* out) {
    *out << ending.attack;
}

class Ends : public HostileGuests, public testing::WithParamInterface<Ending> {};

TEST_P(Ends, its_machine_and_nothing_else) {
    const Ending& ending = GetParam();
    const std::string made = "last " + std::string(ending.attack) + "\n";
    const bool killed = ending.reason == proto::Ended::UNKNOWN;
    HostileMachine machine(ending.attack);
    EXPECT_TRUE(neighbour_->answers());
    EXPECT_TRUE(machine.run(killed ? made : "")) << machine.said();
    EXPECT_NE(machine.said().find(made), std::string::npos) << machine.said();
    if (killed) {
        EXPECT_TRUE(machine.statistics()) << "its VMM no longer answered";
        EXPECT_TRUE(machine.process_end().starts_with("killed by signal 9"))
            << machine.process_end();
        return;
    }
    EXPECT_EQ(machine.process_end(), "") << machine.said();
    ASSERT_TRUE(machine.ended());
    EXPECT_EQ(machine.ended()->reason(), ending.reason) << machine.ended()->detail();
    EXPECT_NE(machine.ended()->detail().find(ending.detail), std::string::npos)
        << machine.ended()->detail();
}
INSTANTIATE_TEST_SUITE_P(Attack, Ends, testing::ValuesIn(kEndings),
                         [](const auto& of) { return std::string(of.param.attack); });

// --- Through the whole stack: the hostile kernel in place of ours.

class HostileKernel : public HostileGuests {
  protected:
    // `anchorhold run` with a guest that does nothing but `attacks`.
    static Completed run_attacking(const std::string& attacks) {
        const std::filesystem::path library = private_folder() + "/hostile-library";
        std::filesystem::remove_all(library);
        std::filesystem::create_directories(library);
        for (const auto& entry : std::filesystem::directory_iterator(library_path())) {
            if (entry.path().filename() != "init.cpio") {
                std::filesystem::create_symlink(entry.path(), library / entry.path().filename());
            }
        }
        std::ofstream(library / "init.cpio") << attacks;
        Invocation invocation;
        invocation.arguments = {"run", "--quiet",  "--console",           "--memory",
                                "64M", "--kernel", hostile_kernel_path(), "--",
                                "true"};
        invocation.environment = {"ANCHORHOLD_LIBRARY=" + library.string()};
        return anchorhold(invocation);
    }
};

TEST_F(HostileKernel, frame_of_4_gib_on_the_control_port_ends_its_sandbox) {
    const Completed done = run_attacking("report_of_4_gib\n");
    EXPECT_FALSE(done.timed_out) << done.err;
    EXPECT_EQ(done.status, 125) << done.err;
    EXPECT_NE(done.err.find("the guest's init: frame of 4294967295 bytes, the bound is 4096"),
              std::string::npos)
        << done.err;
}

TEST_F(HostileKernel, crash_is_told_in_one_line) {
    const Completed done = run_attacking("triple_faults\n");
    EXPECT_FALSE(done.timed_out) << done.err;
    EXPECT_EQ(done.status, 125) << done.err;
    EXPECT_NE(done.err.find("last triple_faults"), std::string::npos) << done.err;
    EXPECT_NE(done.err.find("the guest crashed: the guest triple-faulted"), std::string::npos)
        << done.err;
}

TEST_F(HostileKernel, flood_of_its_console_reaches_no_terminal_unescaped) {
    const Completed done = run_attacking("console_flood\nresets_at_once\n");
    EXPECT_FALSE(done.timed_out);
    EXPECT_EQ(done.status, 125);
    EXPECT_NE(done.err.find("xxxxxxxx"), std::string::npos);
    EXPECT_EQ(done.err.find('\x1b'), std::string::npos);
    EXPECT_NE(done.err.find("the guest reset itself"), std::string::npos);
}

// --- Linux as it is, and an agent in it that means harm.

class HostileAgent : public HostileGuests {};

TEST_F(HostileAgent, fork_bomb_ends_with_its_sandbox) {
    // Each of them waits for the next two, until there is neither a process nor a page left.
    const Completed done = run({"sh", "-c", "bomb() { bomb & bomb & wait; }; echo begun; bomb"},
                               {"--timeout", "5s", "--memory", "64M"});
    EXPECT_FALSE(done.timed_out) << done.err;
    EXPECT_EQ(done.out, "begun\n");
    EXPECT_NE(done.status, 0) << done.err;
    EXPECT_NE(done.err, "") << "it was stopped without a word";
}

TEST_F(HostileAgent, memory_bomb_goes_off_in_its_guest_alone) {
    // More than its guest has, in one piece, and all of it touched.
    const Completed done =
        run({"sh", "-c", "dd if=/dev/zero of=/dev/null bs=56M count=2; echo after $?"},
            {"--memory", "64M"});
    EXPECT_EQ(done.status, 0) << done.err;
    EXPECT_TRUE(done.out == "after 137\n" || done.err.find("out of memory") != std::string::npos)
        << done.out << done.err;
}

TEST_F(HostileAgent, disk_is_full_where_it_ends) {
    const Completed done =
        run({"sh", "-c", "dd if=/dev/zero of=fill bs=1M; echo after $?; rm fill && echo x > fill"},
            {"--disk", "16M"});
    EXPECT_EQ(done.status, 0) << done.err;
    EXPECT_NE(done.err.find("No space left"), std::string::npos) << done.err;
    EXPECT_NE(done.out.find("after 1"), std::string::npos) << done.out;
}

TEST_F(HostileAgent, clock_and_console_are_not_its_own) {
    const Completed done = run({"sh", "-c",
                                "date -s 2001-01-01; "
                                "(echo x > /dev/kmsg) || echo no log; "
                                "(echo b > /proc/sysrq-trigger) || echo no sysrq; date +%Y"});
    EXPECT_NE(done.err.find("can't set date: Operation not permitted"), std::string::npos)
        << done.err;
    EXPECT_NE(done.out.find("no log"), std::string::npos) << done.out << done.err;
    EXPECT_NE(done.out.find("no sysrq"), std::string::npos) << done.out << done.err;
    EXPECT_EQ(done.out.find("\n2001\n"), std::string::npos) << done.out;
}

}  // namespace
}  // namespace anchorhold::vm_test
