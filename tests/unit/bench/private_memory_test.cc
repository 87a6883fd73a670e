#include "bench/private_memory.h"

#include <gtest/gtest.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstring>

#include "base/mapping.h"
#include "base/sys.h"

namespace anchorhold::bench {
namespace {

constexpr std::string_view kVmm =
    "00400000-00480000 r-xp 00000000 fe:01 11   /usr/lib/anchorhold/anchorhold-vmm\n"
    "Size:                512 kB\n"
    "Private_Clean:        64 kB\n"
    "Private_Dirty:         8 kB\n"
    "VmFlags: rd ex mr mw me\n"
    "7f0000000000-7f0008000000 rw-s 00000000 00:01 1027   /memfd:guest-memory (deleted)\n"
    "Size:             131072 kB\n"
    "Private_Clean:         0 kB\n"
    "Private_Dirty:     50000 kB\n"
    "7f1000000000-7f1000021000 rw-p 00000000 00:00 0 \n"
    "Private_Clean:         0 kB\n"
    "Private_Dirty:       100 kB\n";

TEST(PrivateMemory, guest_by_name_is_left_out) {
    const auto bytes = private_bytes(kVmm, {.name = "/memfd:guest-memory", .bytes = 0});
    ASSERT_TRUE(bytes) << bytes.error().message;
    EXPECT_EQ(*bytes, 172U * 1024);
}

TEST(PrivateMemory, guest_by_size_is_left_out) {
    const auto bytes = private_bytes(kVmm, {.name = {}, .bytes = uint64_t{128} << 20});
    ASSERT_TRUE(bytes) << bytes.error().message;
    EXPECT_EQ(*bytes, 172U * 1024);
}

TEST(PrivateMemory, guest_unknown_counts_everything) {
    const auto bytes = private_bytes(kVmm, {});
    ASSERT_TRUE(bytes) << bytes.error().message;
    EXPECT_EQ(*bytes, 50172U * 1024);
}

TEST(PrivateMemory, text_of_another_form_is_refused) {
    for (const std::string_view text : {"", "Private_Dirty: 8 kB\n", "nonsense\n",
                                        "00400000-00480000 r-xp 0 0 0\nPrivate_Dirty: many kB\n",
                                        "00400000-00480000 r-xp 0 0 0\nPrivate_Dirty: 8 MB\n"}) {
        EXPECT_FALSE(private_bytes(text, {})) << text;
    }
}

TEST(PrivateMemory, own_process_grows_by_the_pages_it_touches) {
    constexpr size_t kSize = size_t{64} << 20;
    // Clean pages of this program and its libraries count as private until another process maps the
    // same files, which tests that run beside this one do. More than these files have in memory.
    constexpr size_t kFilePages = size_t{32} << 20;
    const auto before = private_bytes_of(::getpid(), {});
    ASSERT_TRUE(before) << before.error().message;
    const auto mapping =
        OwnMapping::map(kSize, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS);
    ASSERT_TRUE(mapping) << mapping.error().message;
    std::memset(mapping->data(), 1, kSize);
    const auto after = private_bytes_of(::getpid(), {});
    ASSERT_TRUE(after) << after.error().message;
    EXPECT_GE(*after + kFilePages, *before + kSize);
    EXPECT_LE(*after, *before + kSize + kFilePages);
    // The touched pages alone are dirty and anonymous: nobody else can come to share them.
    EXPECT_GE(*after, kSize);
}

}  // namespace
}  // namespace anchorhold::bench
