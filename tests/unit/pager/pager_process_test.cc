// A real pager serves this process's memory: every page is right, or none comes.
#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <chrono>
#include <fstream>
#include <random>
#include <thread>

#include "pager/compressed_memory.h"
#include "pager_rig.h"

namespace anchorhold::pager {
namespace {

class PagerProcess : public PagerRig {
  protected:
    [[nodiscard]] std::byte at(uint64_t offset) const {
        return *const_cast<const volatile std::byte*>(mapping.data() + offset);
    }
    void expect_all_right() const {
        ASSERT_TRUE(std::equal(sample.begin(), sample.end(), mapping.data()));
    }
    void remove(uint64_t offset, uint64_t bytes) const {
        ASSERT_EQ(::madvise(mapping.data() + offset, bytes, MADV_DONTNEED), 0);
    }
    void expect_pages(uint64_t begin, uint64_t end, bool zero) const {
        for (uint64_t i = begin; i < end; ++i) {
            ASSERT_EQ(at(i), zero ? std::byte{0} : sample[i]) << i;
        }
    }
    std::string status_field(const std::string& name) const {
        std::ifstream file("/proc/" + std::to_string(child.pid()) + "/status");
        for (std::string line; std::getline(file, line);) {
            if (line.starts_with(name + ":")) {
                return line.substr(line.find_last_of("\t ") + 1);
            }
        }
        return "";
    }
};

// Waits for a page in another thread, and ends when someone gives it one.
class Waiter {
  public:
    explicit Waiter(const std::byte* page)
        : thread_([this, page] {
              value_ = *const_cast<const volatile std::byte*>(page);
              done_ = true;
          }) {}
    [[nodiscard]] bool done() const { return done_; }
    std::byte join() {
        thread_.join();
        return value_;
    }

  private:
    std::atomic<bool> done_ = false;
    std::atomic<std::byte> value_{};
    std::thread thread_;
};

class PagerForms : public PagerProcess,
                   public testing::WithParamInterface<proto::PagerStart::Form> {};
INSTANTIATE_TEST_SUITE_P(Form, PagerForms,
                         testing::Values(proto::PagerStart::SPARSE, proto::PagerStart::COMPRESSED),
                         [](const auto& form) {
                             return form.param == proto::PagerStart::SPARSE ? "sparse"
                                                                            : "compressed";
                         });

TEST_P(PagerForms, every_page_is_what_was_written) {
    start(sample_files(GetParam()));
    attach();
    expect_all_right();
    const auto ended = expect_end();
    EXPECT_EQ(ended.chunks_served(), 16U);
    EXPECT_EQ(ended.chunks_prefetched(), 0U);
    EXPECT_GE(ended.faults(), kSampleChunks);
}

TEST_P(PagerForms, many_threads_fault_at_once_and_all_read_right) {
    start(sample_files(GetParam()));
    attach();
    std::atomic<int> wrong = 0;
    std::vector<std::thread> threads;
    for (unsigned seed = 1; seed <= 8; ++seed) {
        threads.emplace_back([&, seed] {
            std::minstd_rand random(seed);
            for (int i = 0; i < 2000; ++i) {
                const uint64_t offset = random() % sample.size();
                wrong += at(offset) != sample[offset] ? 1 : 0;
            }
        });
    }
    for (std::thread& thread : threads) {
        thread.join();
    }
    EXPECT_EQ(wrong, 0);
    expect_all_right();
    expect_end();
}

TEST_P(PagerForms, flipped_bit_is_found_at_fault_time_and_nothing_of_it_served) {
    Files files = sample_files(GetParam());
    // The last byte belongs to the last chunk in both forms.
    const auto size = sys::file_size(files.memory.get(), "file").value();
    char last = 0;
    ASSERT_EQ(::pread(files.memory.get(), &last, 1, static_cast<off_t>(size - 1)), 1);
    last ^= 1;
    ASSERT_EQ(::pwrite(files.memory.get(), &last, 1, static_cast<off_t>(size - 1)), 1);
    start(std::move(files));
    attach();
    const uint64_t bad = (kSampleChunks - 1) * kChunk;
    expect_pages(0, bad, false);
    // Another page of the chunk than the one with the bit.
    Waiter waiter(mapping.data() + bad);
    const auto failed = expect_failure(proto::PagerFailed::MEMORY);
    EXPECT_EQ(failed.offset(), bad);
    EXPECT_TRUE(failed.has_offset());
    EXPECT_FALSE(waiter.done());
    // The pager has exited; the VMM's own descriptor keeps the page missing. A VMM is killed here.
    userfault.reset();
    EXPECT_EQ(waiter.join(), std::byte{0});
}

TEST_P(PagerForms, file_that_is_cut_before_the_start_is_refused) {
    Files files = sample_files(GetParam());
    const auto size = sys::file_size(files.memory.get(), "file").value();
    ASSERT_EQ(::ftruncate(files.memory.get(), static_cast<off_t>(size - kPage)), 0);
    start(std::move(files));
    const auto failed = expect_failure(proto::PagerFailed::FILES);
    EXPECT_NE(failed.error().find("memory file: has"), std::string::npos) << failed.error();
}

TEST_P(PagerForms, file_that_is_cut_while_serving_stops_it) {
    Files files = sample_files(GetParam());
    const OwnFd memory = sys::dup_cloexec(files.memory.get()).value();
    start(std::move(files));
    attach();
    expect_pages(0, kChunk, false);
    ASSERT_EQ(::ftruncate(memory.get(), kPage), 0);
    Waiter waiter(mapping.data() + 2 * kChunk);
    EXPECT_EQ(expect_failure(proto::PagerFailed::MEMORY).offset(), 2 * kChunk);
    EXPECT_FALSE(waiter.done());
    userfault.reset();
    waiter.join();
}

TEST_P(PagerForms, working_set_is_there_without_a_fault) {
    Files files = sample_files(GetParam());
    files.working_set = {.read = {{1, 1}, {20, 40}}, .written = {{100, 1}}};
    start(std::move(files));
    attach();
    // Chunks 0 to 3 and 6, of which 3 is zero.
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(10);
    const auto present = [&](uint64_t page) {
        unsigned char there = 0;
        EXPECT_EQ(::mincore(mapping.data() + page * kPage, kPage, &there), 0);
        return (there & 1) != 0;
    };
    for (const uint64_t page : {0U, 15U, 16U, 47U, 48U, 96U, 111U}) {
        while (!present(page) && std::chrono::steady_clock::now() < deadline) {
            std::this_thread::yield();
        }
        ASSERT_TRUE(present(page)) << page;
    }
    EXPECT_FALSE(present(64));
    expect_pages(0, 4 * kChunk, false);
    expect_pages(6 * kChunk, 7 * kChunk, false);
    const auto ended = expect_end();
    EXPECT_EQ(ended.chunks_prefetched(), 4U);
    EXPECT_EQ(ended.faults(), 0U);
}

TEST_F(PagerProcess, pages_that_were_given_back_are_zeros_for_good) {
    start(sample_files());
    attach();
    // Before it was ever there; then once it was.
    remove(kPage, 2 * kPage);
    expect_pages(0, kPage, false);
    expect_pages(kPage, 3 * kPage, true);
    expect_pages(3 * kPage, kChunk, false);
    expect_pages(kChunk, 2 * kChunk, false);
    remove(kChunk + 4 * kPage, kPage);
    expect_pages(kChunk + 4 * kPage, kChunk + 5 * kPage, true);
    expect_pages(kChunk + 5 * kPage, 2 * kChunk, false);
    // Written again, given back again.
    mapping.data()[kChunk + 4 * kPage] = std::byte{1};
    remove(kChunk, 2 * kChunk);
    expect_pages(kChunk, 3 * kChunk, true);
    expect_pages(4 * kChunk, 5 * kChunk, false);
    EXPECT_EQ(expect_end().removed_bytes(), 3 * kPage + 2 * kChunk);
}

TEST_F(PagerProcess, memory_given_back_while_others_fault_is_never_stale) {
    start(sample_files());
    attach();
    std::atomic<bool> stop = false;
    std::thread faulting([&] {
        for (uint64_t i = 0; !stop; i = (i + 7 * kPage) % sample.size()) {
            const std::byte value = at(i);
            ASSERT_TRUE(value == sample[i] || value == std::byte{0}) << i;
        }
    });
    std::minstd_rand random(3);
    for (int i = 0; i < 400; ++i) {
        const uint64_t page = random() % (sample.size() / kPage);
        remove(page * kPage, kPage);
        ASSERT_EQ(at(page * kPage), std::byte{0}) << page;
    }
    stop = true;
    faulting.join();
    expect_end();
}

TEST_F(PagerProcess, process_that_is_killed_leaves_faults_waiting) {
    start(sample_files());
    attach();
    expect_pages(0, kPage, false);
    ASSERT_TRUE(child.signal(SIGKILL));
    const auto packet = next_packet(vmm.get());
    ASSERT_TRUE(packet && packet->bytes.empty());
    EXPECT_EQ(child.wait().value().signal, SIGKILL);
    Waiter waiter(mapping.data() + kChunk);
    std::this_thread::yield();
    EXPECT_FALSE(waiter.done());
    userfault.reset();
    waiter.join();
}

TEST_F(PagerProcess, ends_with_its_supervisor) {
    start(sample_files());
    attach();
    control.reset();
    EXPECT_EQ(exit_code(), 1);
}

TEST_F(PagerProcess, has_given_up_what_it_does_not_need) {
    start(sample_files());
    attach();
    EXPECT_EQ(status_field("NoNewPrivs"), "1");
    EXPECT_EQ(status_field("Seccomp"), "2");
    EXPECT_EQ(status_field("CapEff"), "0000000000000000");
    EXPECT_EQ(status_field("CapPrm"), "0000000000000000");
    expect_end();
}

TEST(PagerConverts, memory_is_compressed_and_expanded_by_the_program) {
    const auto memory = sample_memory();
    const auto convert = [](const char* mode, int source, int target) {
        SpawnRequest request;
        request.path = PAGER;
        request.arguments = {"anchorhold-pager", mode};
        request.environment = {"ANCHORHOLD_LOG=off"};
        request.descriptors = {{2, 2}, {source, 3}, {target, 4}};
        return spawn(request).value().wait().value().code;
    };
    const OwnFd source = sparse_file(memory);
    const OwnFd compressed = sys::memfd("compressed", 0).value();
    ASSERT_EQ(convert("compress", source.get(), compressed.get()), 0);
    const OwnFd expanded = sys::memfd("expanded", 0).value();
    ASSERT_EQ(convert("expand", compressed.get(), expanded.get()), 0);
    const auto digests = snapshot::compute_digests(source.get()).value();
    EXPECT_TRUE(snapshot::verify_memory(expanded.get(), digests));
    EXPECT_EQ(convert("expand", source.get(), expanded.get()), 1);
    EXPECT_EQ(convert("other", source.get(), expanded.get()), 1);
}

TEST(PagerConverts, what_cannot_be_converted_is_said_from_behind_the_filter) {
    sys::Pipe said = sys::pipe().value();
    const OwnFd nothing = sys::memfd("nothing", 0).value();
    SpawnRequest request;
    request.path = PAGER;
    request.arguments = {"anchorhold-pager", "expand"};
    request.descriptors = {{said.write_end.get(), 2}, {nothing.get(), 3}, {nothing.get(), 4}};
    EXPECT_EQ(spawn(request).value().wait().value().code, 1);
    said.write_end.reset();
    std::array<std::byte, 200> line{};
    EXPECT_GT(sys::read_some(said.read_end.get(), line).value().value(), 0U);
}

}  // namespace
}  // namespace anchorhold::pager
