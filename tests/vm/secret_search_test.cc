// The searcher finds what it is for: each encoding, at each place, torn, between empty pages, in
// another process, in files.
#include "vm/secret_search.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstring>

namespace anchorhold::vm_test {
namespace {

// Taken from other implementations: base64, xxd, python3's urllib.parse.quote and base64.b32encode.
constexpr std::string_view kSecret = "s3cr3t/+value=for?tests";

std::set<std::string> found_in(const std::string& text) {
    SecretSearch search(kSecret);
    search.feed(text);
    return search.found();
}

using Found = std::set<std::string>;

TEST(SecretSearch, others_encodings_are_found) {
    EXPECT_EQ(found_in("x s3cr3t/+value=for?tests y"),
              (Found{"plain", "first half", "second half"}));
    EXPECT_EQ(found_in("czNjcjN0Lyt2YWx1ZT1mb3I/dGVzdHM="), (Found{"base64 at 0"}));
    EXPECT_EQ(found_in("eHMzY3IzdC8rdmFsdWU9Zm9yP3Rlc3RzeQ=="), (Found{"base64 at 1"}));
    EXPECT_EQ(found_in("eHhzM2NyM3QvK3ZhbHVlPWZvcj90ZXN0c3l5"), (Found{"base64 at 2"}));
    EXPECT_EQ(found_in("czNjcjN0Lyt2YWx1ZT1mb3I_dGVzdHM="), (Found{"base64url at 0"}));
    EXPECT_EQ(found_in("7333637233742f2b76616c75653d666f723f7465737473"), (Found{"hex"}));
    EXPECT_EQ(found_in("7333637233742F2B76616C75653D666F723F7465737473"), (Found{"HEX"}));
    EXPECT_EQ(found_in("k=s3cr3t%2F%2Bvalue%3Dfor%3Ftests"), (Found{"url"}));
    EXPECT_EQ(found_in("k=s3cr3t%2f%2bvalue%3dfor%3ftests"), (Found{"url, lower"}));
    EXPECT_EQ(found_in("stset?rof=eulav+/t3rc3s"), (Found{"reversed"}));
    EXPECT_EQ(found_in("OMZWG4RTOQXSW5TBNR2WKPLGN5ZD65DFON2HG==="), (Found{"base32 at 0"}));
    EXPECT_EQ(found_in("only value=for?tests of it"), (Found{"second half"}));
    EXPECT_TRUE(found_in("s3cr3t/+value and =for?tests apart").size() == 1);
    EXPECT_EQ(found_in("nothing of the kind"), Found{});
}

TEST(SecretSearch, utf16_is_found_in_both_orders) {
    std::string little;
    std::string big;
    for (const char c : kSecret) {
        little += {c, '\0'};
        big += {'\0', c};
    }
    EXPECT_TRUE(found_in("x" + little).contains("utf-16le"));
    EXPECT_TRUE(found_in(std::string("x\0", 2) + big).contains("utf-16be"));
}

TEST(SecretSearch, every_encoding_is_found_at_every_tear) {
    for (const Needle& needle : encodings_of(kSecret)) {
        for (size_t tear = 0; tear <= needle.bytes.size(); ++tear) {
            SecretSearch search(kSecret);
            search.feed(std::string(8192, '\0') + needle.bytes.substr(0, tear));
            search.feed(needle.bytes.substr(tear) + std::string(8192, '\0'));
            EXPECT_TRUE(search.found().contains(needle.encoding)) << needle.encoding << tear;
        }
    }
}

TEST(SecretSearch, every_encoding_is_found_across_pages_and_in_small_pieces) {
    constexpr size_t kPageSize = 4096;
    for (const Needle& needle : encodings_of(kSecret)) {
        for (const size_t at :
             {size_t{0}, size_t{1}, kPageSize - 5, kPageSize, 2 * kPageSize - 1}) {
            std::string text(4 * kPageSize, '\0');
            text.replace(at, needle.bytes.size(), needle.bytes);
            EXPECT_TRUE(found_in(text).contains(needle.encoding)) << needle.encoding << at;
        }
        SecretSearch pieces(kSecret);
        for (const char c : needle.bytes) {
            pieces.feed({&c, 1});
        }
        EXPECT_TRUE(pieces.found().contains(needle.encoding)) << needle.encoding;
    }
}

TEST(SecretSearch, several_secrets_are_told_apart) {
    constexpr std::string_view kOther = "another secret of ours";
    SecretSearch search(std::vector<std::string_view>{kSecret, kOther});
    search.feed(kOther);
    EXPECT_EQ(search.found(0), Found{});
    EXPECT_TRUE(search.found(1).contains("plain"));
}

TEST(SecretSearch, runs_do_not_join) {
    SecretSearch search(kSecret);
    search.feed(kSecret.substr(0, 5));
    search.begin_run();
    search.feed(kSecret.substr(5));
    EXPECT_EQ(search.found(), Found{"second half"});
}

// A child with the secret in a mapping of its own, a second mapping that is not for core files, and
// an unlinked file.
class AProcess : public ::testing::Test {
  protected:
    AProcess() {
        int ready[2] = {};
        EXPECT_EQ(::pipe(ready), 0);
        child_ = ::fork();
        if (child_ == 0) {
            hold(ready[1]);
        }
        ::close(ready[1]);
        char byte = 0;
        EXPECT_EQ(::read(ready[0], &byte, 1), 1);
        ::close(ready[0]);
    }
    ~AProcess() override {
        if (child_ > 1) {
            ::kill(child_, SIGKILL);
            ::waitpid(child_, nullptr, 0);
        }
    }

    [[noreturn]] static void hold(int ready) {
        const Needle hexadecimal = encodings_of(kSecret)[2];
        for (const bool dumped : {true, false}) {
            void* page =
                ::mmap(nullptr, 4096, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            std::memcpy(page, dumped ? kSecret.data() : hexadecimal.bytes.data(),
                        dumped ? kSecret.size() : hexadecimal.bytes.size());
            if (!dumped) {
                ::madvise(page, 4096, MADV_DONTDUMP);
            }
        }
        char name[] = "/tmp/secret-search-XXXXXX";
        const int file = ::mkstemp(name);
        ::unlink(name);
        const std::string reversed(kSecret.rbegin(), kSecret.rend());
        const bool held = ::pwrite(file, reversed.data(), reversed.size(), off_t{1} << 30) > 0 &&
                          ::write(ready, "r", 1) == 1;
        while (held) {
            ::pause();
        }
        ::_exit(1);
    }

    pid_t child_ = -1;
};

TEST_F(AProcess, memory_and_what_a_core_would_hold_are_searched_apart) {
    // The test program itself has the secret among its constants, and so has its child.
    const auto private_page = [](const Mapping& mapping) {
        return mapping.name.empty() && mapping.end - mapping.begin <= 64 * 1024;
    };
    const auto dumped = [](const Mapping& mapping) {
        return mapping.flags.find(" dd ") == std::string::npos;
    };
    SecretSearch all(kSecret);
    EXPECT_GE(search_memory(child_, private_page, all), 8192U);
    EXPECT_TRUE(all.found().contains("plain"));
    EXPECT_TRUE(all.found().contains("hex"));
    SecretSearch core(kSecret);
    search_memory(
        child_, [&](const Mapping& m) { return private_page(m) && dumped(m); }, core);
    EXPECT_TRUE(core.found().contains("plain"));
    EXPECT_FALSE(core.found().contains("hex"));
}

TEST_F(AProcess, unlinked_sparse_files_are_searched) {
    SecretSearch search(kSecret);
    EXPECT_GE(search_writable_files(child_, search), 1U);
    EXPECT_TRUE(search.found().contains("reversed"));
    EXPECT_LT(search.bytes(), uint64_t{1} << 24) << "holes are not read";
}

}  // namespace
}  // namespace anchorhold::vm_test
