// No byte without its digest.
#include "pager/verified_memory.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace anchorhold::pager {
namespace {

// Gives out what a test says, and counts.
class FakeSource final : public MemorySource {
  public:
    [[nodiscard]] uint64_t memory_bytes() const override { return bytes; }
    Status read_chunk(uint64_t, std::span<std::byte> chunk) override {
        ++reads;
        std::ranges::fill(chunk, value);
        return error.empty() ? Status() : Status(fail(error));
    }
    uint64_t bytes = snapshot::kChunkBytes + 4096;
    std::byte value{7};
    std::string error;
    int reads = 0;
};

snapshot::MemoryDigests digests_of(std::byte value) {
    const std::vector<std::byte> bytes(snapshot::kChunkBytes, value);
    return {snapshot::kChunkBytes + 4096,
            {snapshot::chunk_digest(bytes), snapshot::chunk_digest(std::span(bytes).first(4096))}};
}

TEST(VerifiedMemory, gives_out_what_was_written) {
    auto memory =
        VerifiedMemory::create(std::make_unique<FakeSource>(), digests_of(std::byte{7})).value();
    EXPECT_EQ(memory.chunk(0).value().size(), snapshot::kChunkBytes);
    EXPECT_EQ(memory.chunk(1).value().size(), 4096U);
    EXPECT_EQ(memory.chunk(1).value().front(), std::byte{7});
    EXPECT_FALSE(memory.is_zero(0));
}

TEST(VerifiedMemory, anything_else_is_an_error_that_says_where) {
    auto memory =
        VerifiedMemory::create(std::make_unique<FakeSource>(), digests_of(std::byte{8})).value();
    EXPECT_EQ(memory.chunk(1).error().message,
              "memory file: the 4096 bytes at 65536 are not what was written");
}

TEST(VerifiedMemory, zeros_in_place_of_data_are_an_error) {
    auto source = std::make_unique<FakeSource>();
    source->value = std::byte{0};
    auto memory = VerifiedMemory::create(std::move(source), digests_of(std::byte{8})).value();
    EXPECT_FALSE(memory.chunk(0));
}

TEST(VerifiedMemory, failed_read_is_passed_on) {
    auto source = std::make_unique<FakeSource>();
    source->error = "gone";
    auto memory = VerifiedMemory::create(std::move(source), digests_of(std::byte{7})).value();
    EXPECT_EQ(memory.chunk(0).error().message, "gone");
}

TEST(VerifiedMemory, another_size_is_refused) {
    auto source = std::make_unique<FakeSource>();
    source->bytes -= 4096;
    EXPECT_FALSE(VerifiedMemory::create(std::move(source), digests_of(std::byte{7})));
}

}  // namespace
}  // namespace anchorhold::pager
