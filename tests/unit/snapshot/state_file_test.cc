// State files as raw bytes: each way of being none is said, and no damage goes through.
#include "snapshot/state_file.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <string>

#include "base/sys.h"
#include "damage.h"
#include "snapshot/sealed.h"

namespace anchorhold::snapshot {
namespace {

// Bytes of a literal, zero bytes included.
template <size_t N>
std::string raw(const char (&text)[N]) {
    return std::string(text, N - 1);
}

OwnFd file_with(const std::string& bytes) {
    OwnFd file = sys::memfd("state", 0).value();
    EXPECT_TRUE(sys::write_all(file.get(), bytes));
    return file;
}

constexpr Format kLater{.kind = Kind::kState, .version = 7, .max_payload = 100};
constexpr Format kOther{.kind = Kind::kWorkingSet, .version = 1, .max_payload = 100};
constexpr Format kUnknown{.kind = Kind{99}, .version = 1, .max_payload = 100};
constexpr Format kLarger{.kind = Kind::kState, .version = 1, .max_payload = kMaxState + 1};

TEST(SealState, payload_follows_the_header_as_these_bytes) {
    const std::string file = seal_state("abc");
    EXPECT_EQ(file.substr(0, 24), raw("snapfile\x01\0\0\0\x01\0\0\0\x03\0\0\0\0\0\0\0"));
    // XXH3-128 of "abc": low, then high half.
    EXPECT_EQ(file.substr(24, 16),
              raw("\x50\x39\x2f\x89\x94\x5f\xaf\x78\x85\x61\x3a\x73\xb6\x5a\xb0\x06"));
    EXPECT_EQ(file.substr(48), "abc");
}

TEST(OpenState, returns_the_payload) {
    const std::string payload = raw("a\0b");
    EXPECT_EQ(open_state(seal_state(payload)).value().size(), 3U);
    const std::string file = seal_state(payload);
    EXPECT_EQ(open_state(file).value(), payload);
    const std::string empty = seal_state("");
    EXPECT_EQ(open_state(empty).value(), "");
}

TEST(OpenState, damage_anywhere_is_refused) {
    expect_damage_refused(open_state, seal_state("what a machine is"));
    expect_damage_refused(open_state, seal_state(""));
}

TEST(OpenState, error_says_what_is_wrong) {
    const std::string good = seal_state("abcdef");
    std::string header_bit = good;
    header_bit[16] ^= 1;
    std::string version_bit = good;
    version_bit[8] ^= 1;
    const struct {
        const char* name;
        std::string file, message;
    } cases[] = {
        {"empty", "", "shorter than its header: 0 of 48 bytes"},
        {"header cut", good.substr(0, 47), "shorter than its header: 47 of 48 bytes"},
        {"something else", std::string(60, 'x'), "not a file of a snapshot"},
        {"length flipped", header_bit, "damaged: its header's checksum does not match"},
        {"version flipped", version_bit, "damaged: its header's checksum does not match"},
        {"later version", seal_payload(kLater, "abc"),
         "version 7 of the format, this build reads version 1"},
        {"another kind", seal_payload(kOther, "abc"), "is a working set"},
        {"unknown kind", seal_payload(kUnknown, "abc"), "is a file of unknown kind"},
        {"too large", seal_payload(kLarger, std::string(kMaxState + 1, 'x')),
         "says it holds 16777217 bytes, the most is 16777216"},
        {"cut off", good.substr(0, 50), "cut off: has 50 of 54 bytes"},
        {"too long", good + "xy", "2 bytes behind its end"},
        {"payload damaged", good.substr(0, 53) + "x",
         "damaged: its payload's checksum does not match"},
    };
    for (const auto& test : cases) {
        const auto opened = open_state(test.file);
        ASSERT_FALSE(opened) << test.name;
        EXPECT_EQ(opened.error().message, "machine state: " + test.message) << test.name;
        const auto read = read_state(file_with(test.file).get());
        ASSERT_FALSE(read) << test.name;
        EXPECT_EQ(read.error().message, "machine state: " + test.message) << test.name;
    }
}

TEST(ReadState, reads_from_the_beginning_without_moving) {
    const std::string payload(100'000, 'p');
    const OwnFd file = file_with(seal_state(payload));
    EXPECT_EQ(::lseek(file.get(), 7, SEEK_SET), 7);
    EXPECT_EQ(read_state(file.get()).value(), payload);
    EXPECT_EQ(::lseek(file.get(), 0, SEEK_CUR), 7);
}

TEST(ReadState, takes_the_largest_state) {
    const std::string payload(kMaxState, 'p');
    EXPECT_EQ(read_state(file_with(seal_state(payload)).get()).value(), payload);
}

TEST(ReadState, what_is_no_file_is_refused) {
    const auto pipe = sys::pipe().value();
    EXPECT_EQ(read_state(pipe.read_end.get()).error().message,
              "machine state is neither a regular file nor a block device");
    EXPECT_FALSE(read_state(-1));
}

TEST(ReadSealedHead, leaves_what_follows_to_the_caller) {
    const Format format{.kind = Kind::kCompressedMemory, .version = 1, .max_payload = 10};
    const std::string file = seal_payload(format, "index");
    EXPECT_EQ(read_sealed_head(format, file_with(file + "data").get()).value(), "index");
    EXPECT_FALSE(read_sealed_head(format, file_with(file.substr(0, file.size() - 1)).get()));
}

}  // namespace
}  // namespace anchorhold::snapshot
