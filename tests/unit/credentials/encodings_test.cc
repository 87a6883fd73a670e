// Each encoding against RFC 4648's vectors and the corners of the others.
#include "proxy/credentials/encodings.h"

#include <gtest/gtest.h>

namespace anchorhold::proxy {
namespace {

TEST(Encodings, base64_rfc4648_vectors_round_trip) {
    const std::pair<std::string_view, std::string_view> cases[] = {
        {"", ""},
        {"f", "Zg=="},
        {"fo", "Zm8="},
        {"foo", "Zm9v"},
        {"foob", "Zm9vYg=="},
        {"fooba", "Zm9vYmE="},
        {"foobar", "Zm9vYmFy"},
    };
    for (const auto& [plain, encoded] : cases) {
        EXPECT_EQ(base64_encode(plain).view(), encoded);
        EXPECT_EQ(base64_decode(encoded), plain);
    }
    EXPECT_EQ(base64_encode("\xfb\xff", Base64::url).view(), "-_8");
}

TEST(Encodings, base64_not_strict_is_refused) {
    for (const std::string_view text :
         {"Z", "Zg=", "Zg===", "Zh==", "Zm9v!", "Zm9v\n", "=", "Zm 8="}) {
        EXPECT_FALSE(base64_decode(text)) << text;
    }
    EXPECT_EQ(base64_decode("Zg"), "f");
}

TEST(Encodings, base64_core_found_at_every_alignment) {
    const std::string_view secret = "s3cr3t-t0ken-with-length";
    for (size_t before = 0; before < 9; ++before) {
        for (size_t after = 0; after < 4; ++after) {
            const std::string text =
                std::string(before, '\xaa') + std::string(secret) + std::string(after, '\x55');
            const SecretString encoded = base64_encode(text);
            const SecretString core = base64_core(secret, before % 3, Base64::standard);
            EXPECT_NE(encoded.view().find(core.view()), std::string_view::npos)
                << before << " " << after;
            EXPECT_GE(core.size(), secret.size() * 4 / 3 - 3);
        }
    }
}

TEST(Encodings, percent_reserved_characters_escaped_and_back) {
    EXPECT_EQ(percent_encode("a b/c~%").view(), "a%20b%2Fc~%25");
    EXPECT_EQ(percent_encode("a/b", "/").view(), "a/b");
    EXPECT_EQ(percent_encode("\xff", "", HexCase::lower).view(), "%ff");
    EXPECT_EQ(percent_decode("a%20b%2fc+d"), "a b/c+d");
    EXPECT_EQ(percent_decode("a+b", Plus::space), "a b");
    EXPECT_EQ(percent_decode("%4"), "%4");
    EXPECT_EQ(percent_decode("%zz%41"), "%zzA");
}

TEST(Encodings, json_escapes_round_trip) {
    EXPECT_EQ(json_escape("a\"\\\n\x01/").view(), "a\\\"\\\\\\n\\u0001/");
    EXPECT_EQ(json_unescape("a\\\"\\\\\\n\\u0001\\/"), "a\"\\\n\x01/");
    EXPECT_EQ(json_unescape("\\ud83d\\ude00"), "\xf0\x9f\x98\x80");
    EXPECT_EQ(json_unescape("\\u00e9"), "\xc3\xa9");
    EXPECT_EQ(json_unescape("end\\"), "end\\");
}

}  // namespace
}  // namespace anchorhold::proxy
