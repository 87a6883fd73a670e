// The bounds of a sandbox, and sizes as people read them.
#include "supervisor/spec.h"

#include <gtest/gtest.h>

namespace anchorhold::supervisor {
namespace {

constexpr uint64_t kMiB = uint64_t{1} << 20;
constexpr uint64_t kGiB = uint64_t{1} << 30;

TEST(DisplaySize, sizes_have_a_unit_and_at_most_one_decimal_rounded_down) {
    const struct {
        uint64_t bytes;
        const char* expected;
    } cases[] = {
        {0, "0 bytes"},
        {1, "1 bytes"},
        {1023, "1023 bytes"},
        {1024, "1 KiB"},
        {1536, "1.5 KiB"},
        {64 * kMiB, "64 MiB"},
        {512 * kMiB, "512 MiB"},
        {kGiB + kGiB / 2, "1.5 GiB"},
        {64 * kMiB - 1, "63.9 MiB"},
        {kMiB - 1, "1023.9 KiB"},
        {uint64_t{3} << 40, "3 TiB"},
        {uint64_t{1} << 63, "8 EiB"},
        {UINT64_MAX, "16 EiB"},
    };
    for (const auto& test : cases) {
        EXPECT_EQ(display_size(test.bytes), test.expected);
    }
}

// The numbers that have bounds.
struct Numbers {
    uint32_t cpus = 1;
    uint64_t memory_bytes = kDefaultMemoryBytes;
    uint64_t disk_bytes = kDefaultDiskBytes;
};

Status validated(const Numbers& numbers) {
    SandboxSpec spec;
    spec.cpus = numbers.cpus;
    spec.memory_bytes = numbers.memory_bytes;
    spec.disk_bytes = numbers.disk_bytes;
    return validate(spec, 2 * kGiB);
}

TEST(Validate, specs_within_the_bounds_pass) {
    const Numbers cases[] = {
        {},
        {.cpus = 8},
        {.memory_bytes = kMinMemoryBytes},
        {.memory_bytes = 2 * kGiB},
        {.disk_bytes = 0},
        {.disk_bytes = kMinDiskBytes},
        {.disk_bytes = uint64_t{1} << 44},
    };
    for (const Numbers& numbers : cases) {
        const Status valid = validated(numbers);
        EXPECT_TRUE(valid) << valid.error().message;
    }
}

TEST(Validate, specs_beyond_a_bound_name_option_value_and_bound) {
    const struct {
        Numbers numbers;
        const char* message;
    } cases[] = {
        {{.cpus = 0}, "--cpus 0: a sandbox has 1 to 8 processors"},
        {{.cpus = 9}, "--cpus 9: a sandbox has 1 to 8 processors"},
        {{.memory_bytes = 0}, "--memory 0 bytes: a sandbox needs at least 64 MiB"},
        {{.memory_bytes = kMinMemoryBytes - 4096},
         "--memory 63.9 MiB: a sandbox needs at least 64 MiB"},
        {{.memory_bytes = kMinMemoryBytes + 1}, "--memory 67108865: not a multiple of 4 KiB"},
        {{.memory_bytes = 2 * kGiB + 4096}, "--memory 2.0 GiB: this host has 2 GiB; ask for less"},
        {{.memory_bytes = uint64_t{1} << 62}, "--memory 4 EiB: this host has 2 GiB; ask for less"},
        {{.disk_bytes = 1}, "--disk 1 bytes: at least 16 MiB, or 0 to write to memory"},
        {{.disk_bytes = kMinDiskBytes - 4096},
         "--disk 15.9 MiB: at least 16 MiB, or 0 to write to memory"},
        {{.disk_bytes = kMinDiskBytes + 1}, "--disk 16777217: not a multiple of 4 KiB"},
    };
    for (const auto& test : cases) {
        const Status valid = validated(test.numbers);
        ASSERT_FALSE(valid) << test.message;
        EXPECT_EQ(valid.error().message, test.message);
    }
}

TEST(HostMemory, of_this_host_is_whole_pages_and_runs_a_sandbox) {
    const uint64_t bytes = host_memory_bytes().value();
    EXPECT_EQ(bytes % 4096, 0U);
    EXPECT_GE(bytes, kMinMemoryBytes);
}

}  // namespace
}  // namespace anchorhold::supervisor
