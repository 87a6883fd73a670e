// Templates that are damaged, foreign or forged: each is refused with its own clear message, and
// nothing of it runs.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "base/sys.h"
#include "snapshot/sealed.h"
#include "snapshot/state_file.h"
#include "vm/templates.h"
#include "vmm/snapshot/machine_state.h"

namespace anchorhold::vm_test {
namespace {

constexpr const char* kName = "base";
constexpr uint64_t kMemory = uint64_t{64} << 20;

class WarmRefusals : public testing::Test {
  protected:
    static void SetUpTestSuite() {
        templates_ = std::make_unique<Templates>();
        templates_->create(
            kName, {"--quiet", "--image", "tiny", "-m", "64M", "--disk", "64M", "--warm",
                    "yes one-line-to-find | head -c 1048576 > $HOME/marked", "--probe", "true"});
        state_ = sys::read_file(templates_->file(kName, "state"), size_t{1} << 24).value_or("");
        ASSERT_FALSE(state_.empty());
    }
    static void TearDownTestSuite() { templates_.reset(); }

    ~WarmRefusals() override {
        // Each test leaves the template as it found it, and as it was made.
        write("state", state_);
    }

    static void write(const char* file, std::string_view bytes) {
        ASSERT_TRUE(sys::write_file(templates_->file(kName, file), bytes));
    }
    static std::string read(const char* file) {
        return sys::read_file(templates_->file(kName, file), size_t{1} << 24).value();
    }

    // Not started, in one line of ours that has `what` in it.
    static void expect_refused(const std::string& what, const std::string& how) {
        Completed done = templates_->run(kName, {"echo", "it ran"});
        // A device that stops because a driver broke its rules says so in the log, which is stderr
        // here.
        const size_t line_end = done.err.find('\n') + 1;
        if (done.err.substr(0, line_end).find(" anchorhold warning: virtio device ") !=
            std::string::npos) {
            done.err.erase(0, line_end);
        }
        EXPECT_FALSE(done.timed_out) << how;
        EXPECT_EQ(done.status, 125) << how << ": " << done.err;
        EXPECT_EQ(done.out, "") << how;
        EXPECT_EQ(std::count(done.err.begin(), done.err.end(), '\n'), 1) << how << ": " << done.err;
        EXPECT_TRUE(done.err.starts_with("anchorhold: ")) << how << ": " << done.err;
        EXPECT_NE(done.err.find(what), std::string::npos) << how << ": " << done.err;
        EXPECT_TRUE(std::all_of(done.err.begin(), done.err.end() - 1,
                                [](char c) { return c >= 0x20 && c <= 0x7e; }))
            << how << ": " << done.err;
    }
    static void expect_starts() {
        const Completed done = templates_->run(kName, {"echo", "it ran"});
        EXPECT_EQ(done.out, "it ran\n") << done.err;
    }

    // The state with one change, sealed as if nothing had happened.
    static void forge(const std::function<void(vmm::MachineState&)>& change) {
        auto state = vmm::decode_machine_state(snapshot::open_state(state_).value());
        ASSERT_TRUE(state) << state.error().message;
        change(*state);
        write("state", snapshot::seal_state(vmm::encode(*state)));
    }

    static std::unique_ptr<Templates> templates_;
    static std::string state_;
};

std::unique_ptr<Templates> WarmRefusals::templates_;
std::string WarmRefusals::state_;

TEST_F(WarmRefusals, whole_template_starts) {
    expect_starts();
}

TEST_F(WarmRefusals, state_that_is_cut_off_is_refused) {
    for (const size_t size : {size_t{0}, size_t{1}, snapshot::kSealedHeaderSize - 1,
                              snapshot::kSealedHeaderSize, state_.size() / 2, state_.size() - 1}) {
        write("state", state_.substr(0, size));
        expect_refused("state", "cut to " + std::to_string(size));
    }
}

TEST_F(WarmRefusals, state_with_a_byte_behind_its_end_is_refused) {
    write("state", state_ + "x");
    expect_refused("state", "one more byte");
}

TEST_F(WarmRefusals, state_with_a_bit_flipped_is_refused) {
    // In each field of the header, and spread over the payload; its unit tests flip all of them.
    std::vector<size_t> places = {0, 8, 12, 16, 24, 47};
    for (size_t i = 0; i < 6; ++i) {
        places.push_back(snapshot::kSealedHeaderSize +
                         i * (state_.size() - snapshot::kSealedHeaderSize - 1) / 5);
    }
    for (const size_t place : places) {
        std::string flipped = state_;
        flipped[place] = static_cast<char>(flipped[place] ^ (1 << place % 8));
        write("state", flipped);
        expect_refused("state", "byte " + std::to_string(place));
    }
}

TEST_F(WarmRefusals, state_of_another_file_version_is_refused_by_number) {
    write("state",
          snapshot::seal_payload(
              {.kind = snapshot::Kind::kState, .version = 2, .max_payload = snapshot::kMaxState},
              snapshot::open_state(state_).value()));
    expect_refused("version 2", "file version");
}

TEST_F(WarmRefusals, state_of_another_meaning_is_refused_by_number) {
    std::string payload(snapshot::open_state(state_).value());
    ASSERT_EQ(payload.substr(0, 2), std::string("\x08\x01"));  // field 1, version 1
    payload[1] = 9;
    write("state", snapshot::seal_state(payload));
    expect_refused("version 9, this build reads 1", "message version");
}

TEST_F(WarmRefusals, guest_of_a_better_processor_is_refused_with_what_is_missing) {
    forge([](vmm::MachineState& state) {
        bool found = false;
        for (kvm_cpuid_entry2& leaf : state.processors[0].cpuid) {
            if (leaf.function == 7 && leaf.index == 0) {
                leaf.ebx |= 1U << 16;
                found = true;
            }
        }
        EXPECT_TRUE(found);
    });
    expect_refused("features that this host lacks: avx512f", "AVX-512");
}

TEST_F(WarmRefusals, guest_of_another_vendors_processor_is_refused_with_both) {
    forge([](vmm::MachineState& state) {
        for (kvm_cpuid_entry2& leaf : state.processors[0].cpuid) {
            if (leaf.function == 0) {
                std::memcpy(&leaf.ebx, "Cent", 4);
                std::memcpy(&leaf.edx, "aurH", 4);
                std::memcpy(&leaf.ecx, "auls", 4);
            }
        }
    });
    expect_refused("a processor of 'CentaurHauls'", "vendor");
}

TEST_F(WarmRefusals, state_of_another_machine_than_the_manifests_is_refused) {
    forge([](vmm::MachineState& state) { state.memory_bytes *= 2; });
    expect_refused("of a machine with other memory", "memory");
    forge([](vmm::MachineState& state) { state.processors.push_back(state.processors[0]); });
    expect_refused("another number of processors", "processors");
    forge([](vmm::MachineState& state) { state.devices.disks.pop_back(); });
    expect_refused("the state's disks are not the ones given", "disks");
    forge([](vmm::MachineState& state) { state.devices.disks[1].bytes += 512; });
    expect_refused("the state's disks are not the ones given", "size of a disk");
    forge([](vmm::MachineState& state) { state.devices.transports.pop_back(); });
    expect_refused("another number of devices", "devices");
}

// A checksum is no signature: what a forger may write is still judged by whoever takes it.
TEST_F(WarmRefusals, forged_registers_are_refused_by_the_call_that_takes_them) {
    forge([](vmm::MachineState& state) {
        std::memset(&state.processors[0].special_registers, 0xff, sizeof(kvm_sregs));
    });
    expect_refused("KVM_SET_SREGS", "segments and control registers");
    forge([](vmm::MachineState& state) { state.processors[0].msrs.push_back({0x12345678, 0, 1}); });
    expect_refused("this host refuses MSR 0x12345678", "an MSR that no processor has");
    forge([](vmm::MachineState& state) {
        state.devices.transports[1].queues[0].config.descriptors = uint64_t{1} << 40;
    });
    expect_refused("devices: device 1", "a queue outside of RAM");
    forge([](vmm::MachineState& state) { state.devices.transports[1].queues.clear(); });
    expect_refused("devices: device 1", "a device without its queues");
}

TEST_F(WarmRefusals, memory_of_another_size_is_refused) {
    const std::string file = templates_->file(kName, "memory.raw");
    const std::string aside = file + ".aside";
    std::filesystem::rename(file, aside);
    for (const uint64_t bytes : {uint64_t{0}, kMemory - 4096, kMemory + 4096}) {
        const OwnFd other = sys::open(file, O_RDWR | O_CREAT | O_TRUNC, 0600).value();
        ASSERT_EQ(::ftruncate(other.get(), static_cast<off_t>(bytes)), 0);
        expect_refused("memory.raw: has " + std::to_string(bytes) +
                           " bytes, not 67108864; the "
                           "template is damaged, create it again",
                       "memory");
    }
    std::filesystem::rename(aside, file);
    expect_starts();
}

TEST_F(WarmRefusals, working_set_that_is_damaged_is_refused) {
    const std::string whole = read("working-set");
    std::string flipped = whole;
    flipped.back() = static_cast<char>(flipped.back() ^ 1);
    write("working-set", flipped);
    expect_refused("working set", "flipped");
    write("working-set", whole.substr(0, whole.size() / 2));
    expect_refused("working set", "cut");
    write("working-set", whole);
}

TEST_F(WarmRefusals, damaged_memory_is_found_by_verify) {
    const std::string file = templates_->file(kName, "memory.raw");
    const OwnFd memory = sys::open(file, O_RDWR).value();
    ASSERT_EQ(templates_->call({"template", "verify", kName}).status, 0);
    for (const uint64_t offset : {uint64_t{4096}, uint64_t{0x1000000}, kMemory - 1}) {
        char byte = 0;
        ASSERT_EQ(::pread(memory.get(), &byte, 1, static_cast<off_t>(offset)), 1);
        const char flipped = static_cast<char>(byte ^ 4);
        ASSERT_EQ(::pwrite(memory.get(), &flipped, 1, static_cast<off_t>(offset)), 1);
        const Completed done = templates_->call({"template", "verify", kName});
        EXPECT_EQ(done.status, 125) << offset;
        EXPECT_NE(done.err.find("template base: memory"), std::string::npos) << done.err;
        ASSERT_EQ(::pwrite(memory.get(), &byte, 1, static_cast<off_t>(offset)), 1);
    }
}

// Where `text` lies in the template's memory, page-aligned and with nothing else in the 64 KiB
// around it; 0: nowhere.
uint64_t place_of_chunk_with(std::string_view memory, std::string_view text) {
    constexpr size_t kChunk = size_t{64} << 10;
    for (size_t at = kChunk; at + kChunk <= memory.size(); at += kChunk) {
        size_t pages = 0;
        for (size_t page = at; page < at + kChunk; page += 4096) {
            pages += memory.substr(page, 4096).find(text) != std::string_view::npos ? 1 : 0;
        }
        if (pages == kChunk / 4096) {
            return at;
        }
    }
    return 0;
}

// Mapped, a guest reads what the file has by now. Served, it reads what was written, or nothing.
TEST_F(WarmRefusals, damaged_memory_is_never_seen_by_a_guest_that_is_served) {
    const std::string file = templates_->file(kName, "memory.raw");
    const std::string memory = sys::read_file(file, size_t{1} << 27).value();
    const uint64_t place = place_of_chunk_with(memory, "one-line-to-find");
    ASSERT_NE(place, 0U);
    const OwnFd target = sys::open(file, O_RDWR).value();
    const auto put = [&](char byte) {
        ASSERT_EQ(::pwrite(target.get(), &byte, 1, static_cast<off_t>(place + 8192)), 1);
    };
    const std::vector<std::string> look = {
        "sh", "-c", "grep -a -v -c -e '^one-line-to-find$' $HOME/marked; true"};
    const std::vector<std::string> served = {"--memory-backend", "userfaultfd"};
    EXPECT_EQ(templates_->run(kName, look, served).out, "0\n");
    put(static_cast<char>(memory[place + 8192] ^ 4));
    EXPECT_EQ(templates_->run(kName, look).out, "1\n");
    const Completed done = templates_->run(kName, look, served);
    EXPECT_FALSE(done.timed_out);
    EXPECT_EQ(done.status, 125);
    EXPECT_EQ(done.out, "");
    EXPECT_EQ(done.err,
              "anchorhold: the guest's memory cannot be served: memory file: the 65536 "
              "bytes at " +
                  std::to_string(place) +
                  " are not what was written; the template is damaged, create it "
                  "again\n");
    // What never asks for that piece is not kept from anything.
    const Completed other = templates_->run(kName, {"echo", "it ran"}, served);
    EXPECT_EQ(other.out, "it ran\n") << other.err;
    put(memory[place + 8192]);
}

TEST_F(WarmRefusals, compressed_memory_that_is_damaged_ends_the_guest) {
    templates_->create("packed",
                       {"--quiet", "--compress", "--image", "tiny", "-m", "64M", "--disk", "0"});
    const OwnFd memory = sys::open(templates_->file("packed", "memory.zst"), O_RDWR).value();
    const uint64_t bytes = sys::file_size(memory.get(), "memory.zst").value();
    // Its head first; then enough of its pieces that any guest touches one.
    for (const uint64_t step : {bytes, uint64_t{8192}}) {
        for (uint64_t at = step == bytes ? 20 : bytes / 8; at < bytes; at += step) {
            ASSERT_EQ(::pwrite(memory.get(), "damaged", 7, static_cast<off_t>(at)), 7);
        }
        const Completed done = templates_->run("packed", {"true"});
        EXPECT_FALSE(done.timed_out);
        EXPECT_EQ(done.status, 125);
        EXPECT_TRUE(done.err.starts_with("anchorhold: the guest's memory cannot be served: "))
            << done.err;
        EXPECT_EQ(std::count(done.err.begin(), done.err.end(), '\n'), 1) << done.err;
        EXPECT_EQ(templates_->call({"template", "verify", "packed"}).status, 125);
    }
    EXPECT_EQ(templates_->call({"template", "rm", "packed"}).status, 0);
}

TEST_F(WarmRefusals, digests_that_are_damaged_are_refused) {
    const std::string whole = read("memory.digests");
    std::string flipped = whole;
    flipped.back() = static_cast<char>(flipped.back() ^ 1);
    write("memory.digests", flipped);
    const Completed done =
        templates_->run(kName, {"echo", "it ran"}, {"--memory-backend", "userfaultfd"});
    EXPECT_EQ(done.status, 125);
    EXPECT_EQ(done.out, "");
    EXPECT_NE(done.err.find("digests"), std::string::npos) << done.err;
    write("memory.digests", whole);
}

TEST_F(WarmRefusals, manifest_that_is_none_is_refused) {
    const std::string whole = read("manifest.json");
    write("manifest.json", "{}");
    expect_refused("template base: manifest", "empty");
    write("manifest.json", whole.substr(0, whole.size() / 2));
    expect_refused("template base: manifest", "cut");
    write("manifest.json", whole);
}

TEST_F(WarmRefusals, image_that_was_replaced_is_refused) {
    const std::string image = private_folder() + "/own.erofs";
    std::filesystem::copy_file(library_path() + "/images/tiny.erofs", image);
    templates_->create("own-image", {"--quiet", "--image", image, "-m", "64M", "--disk", "0"});
    {
        const OwnFd file = sys::open(image, O_RDWR).value();
        ASSERT_EQ(::pwrite(file.get(), "x", 1, 100), 1);
    }
    const Completed done = templates_->run("own-image", {"true"});
    EXPECT_EQ(done.status, 125);
    EXPECT_NE(done.err.find("own.erofs is not the one it was made from; create the template again"),
              std::string::npos)
        << done.err;
    std::filesystem::remove(image);
    const Completed gone = templates_->run("own-image", {"true"});
    EXPECT_EQ(gone.status, 125);
    EXPECT_NE(gone.err.find(image + ": No such file or directory"), std::string::npos) << gone.err;
    EXPECT_EQ(templates_->call({"template", "rm", "own-image"}).status, 0);
}

}  // namespace
}  // namespace anchorhold::vm_test
