// Exactly as many bytes as a key has.
#include "vault/key.h"

#include "rig.h"

namespace anchorhold::vault {
namespace {

Result<Key> read_from(const std::string& bytes) {
    sys::Pipe pipe = sys::pipe().value();
    EXPECT_TRUE(sys::write_all(pipe.write_end.get(), bytes));
    pipe.write_end.reset();
    return Key::read(pipe.read_end.get());
}

TEST(ReadKey, takes_32_bytes) {
    const auto key = read_from(std::string(31, 'k') + "l");
    ASSERT_TRUE(key);
    EXPECT_EQ(key->bytes().front(), 'k');
    EXPECT_EQ(key->bytes().back(), 'l');
}

TEST(ReadKey, any_other_number_is_refused) {
    EXPECT_EQ(read_from("").error().message, "key: 0 bytes instead of 32");
    EXPECT_EQ(read_from(std::string(31, 'k')).error().message, "key: 31 bytes instead of 32");
    EXPECT_EQ(read_from(std::string(33, 'k')).error().message, "key: more than 32 bytes");
    EXPECT_FALSE(read_from(std::string(64, 'k')));
}

TEST(Key, is_wiped_where_it_was_moved_from) {
    Key key = key_of(9);
    const Key other = std::move(key);
    EXPECT_EQ(other.bytes().front(), 9);
    EXPECT_EQ(key.bytes().front(), 0);  // NOLINT(bugprone-use-after-move): that is the question
}

}  // namespace
}  // namespace anchorhold::vault
