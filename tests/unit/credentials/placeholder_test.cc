// Shapes of placeholders, and finding them in whatever a guest makes of them.
#include "proxy/credentials/placeholder.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "proxy/credentials/encodings.h"

namespace anchorhold::proxy {
namespace {

struct Shape {
    std::string secret;
    std::string_view begins;
    std::string_view marker;
};

TEST(Placeholder, known_shapes_kept_and_marked) {
    const Shape shapes[] = {
        {"sk-ant-api03-" + std::string(95, 'x'), "sk-ant-api03-", "anchorhold"},
        {"sk-proj-" + std::string(148, 'Q'), "sk-proj-", "ANCHORHOLD"},
        {"ghp_16C7e42F292c6912E7710c838347Ae178B4a", "ghp_", "anchorhold"},
        {"github_pat_" + std::string(82, 'z'), "github_pat_", "anchorhold"},
        {"AKIAIOSFODNN7EXAMPLE", "AKIA", "ANCHORHOLD"},
        {"wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY", "", "anchorhold"},
        {"xoxb-123456789012-123456789012-abcdefABCDEF", "xoxb-", "anchorhold"},
        {"npm_" + std::string(36, 'k'), "npm_", "anchorhold"},
        {"pypi-AgEIcHlwaS5vcmc" + std::string(150, 'y'), "pypi-AgEIcHlwaS5vcmc", "anchorhold"},
        {"0123456789abcdef0123456789abcdef01234567", "", "a2c402401d"},
        {"hunter2-hunter2-hunter2", "", "anchorhold"},
    };
    for (const Shape& shape : shapes) {
        const std::string placeholder = make_placeholder(shape.secret);
        EXPECT_EQ(placeholder.size(), shape.secret.size()) << shape.secret;
        EXPECT_TRUE(placeholder.starts_with(shape.begins)) << placeholder;
        EXPECT_NE(placeholder.find(shape.marker), std::string::npos) << placeholder;
        EXPECT_TRUE(std::ranges::all_of(placeholder, is_unreserved)) << placeholder;
        EXPECT_NE(placeholder, make_placeholder(shape.secret));
    }
}

TEST(Placeholder, characters_of_the_secret_kept) {
    const auto only = [](const std::string& text, std::string_view letters) {
        return text.find_first_not_of(letters) == std::string::npos;
    };
    EXPECT_TRUE(only(make_placeholder(std::string(40, '7')), "0123456789"));
    EXPECT_TRUE(only(make_placeholder("0123456789abcdef0123456789abcdef"), "0123456789abcdef"));
    EXPECT_TRUE(only(make_placeholder("AKIAIOSFODNN7EXAMPLE"), "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"));
}

TEST(Placeholder, uuid_stays_a_uuid) {
    const std::string placeholder = make_placeholder("3f2504e0-4f89-41d3-9a0c-0305e82c3301");
    ASSERT_EQ(placeholder.size(), 36U);
    for (const size_t dash : {8U, 13U, 18U, 23U}) {
        EXPECT_EQ(placeholder[dash], '-');
    }
    EXPECT_EQ(placeholder[14], '4');
}

TEST(Placeholder, short_secret_gets_a_longer_one) {
    for (const std::string_view secret : {"", "1", "abc", "hunter2", "fifteen-letters"}) {
        const std::string placeholder = make_placeholder(secret);
        EXPECT_GE(placeholder.size(), 16U) << secret;
        EXPECT_LE(placeholder.size(), 20U) << secret;
    }
}

TEST(Placeholder, given_shape_wins) {
    const std::string placeholder = make_placeholder(std::string(40, 'q'), "sk-ant-api03-");
    EXPECT_TRUE(placeholder.starts_with("sk-ant-api03-anchorhold"));
    EXPECT_EQ(placeholder.size(), 40U);
}

TEST(Placeholder, many_are_all_different) {
    std::set<std::string> seen;
    for (int i = 0; i < 500; ++i) {
        EXPECT_TRUE(
            seen.insert(make_placeholder("ghp_16C7e42F292c6912E7710c838347Ae178B4a")).second);
    }
}

class PlaceholderScanTest : public testing::Test {
  protected:
    PlaceholderScanTest() {
        add_placeholder_forms(*set, placeholder, 0);
        set->build();
    }
    const std::string placeholder =
        "sk-ant-api03-anchorholdQ7f3Kd9aZx-more-of-the-same-length-here";
    std::shared_ptr<PatternSet> set = std::make_shared<PatternSet>();
};

TEST_F(PlaceholderScanTest, found_in_every_encoding) {
    std::string escaped;
    std::string percent;
    for (const char byte : placeholder) {
        escaped += "\\u00" + std::string(hex_encode({&byte, 1}).view());
        percent += "%" + std::string(hex_encode({&byte, 1}, HexCase::upper).view());
    }
    const std::string cases[] = {
        placeholder,
        "x-api-key: " + placeholder + "\r\n",
        std::string(base64_encode(placeholder).view()),
        std::string(base64_encode("user:" + placeholder).view()),
        std::string(base64_encode("users:" + placeholder + "!").view()),
        std::string(base64_encode("u:" + placeholder, Base64::url).view()),
        std::string(hex_encode(placeholder).view()),
        std::string(hex_encode(placeholder, HexCase::upper).view()),
        percent,
        "q=" + percent.substr(0, 3) + placeholder.substr(1),
        escaped,
        "{\"a\":\"" + placeholder.substr(0, 5) + "\\u0074" + placeholder.substr(6) + "\"}",
    };
    for (const std::string& text : cases) {
        EXPECT_TRUE(PlaceholderScan::contains(*set, text)) << text;
    }
    EXPECT_FALSE(PlaceholderScan::contains(*set, "anchorhold is a word that anybody may use"));
    EXPECT_FALSE(PlaceholderScan::contains(*set, placeholder.substr(0, 30)));
}

TEST_F(PlaceholderScanTest, found_when_cut_anywhere) {
    const std::string texts[] = {
        "{\"a\":\"" + placeholder + "\"}",
        "xx" + std::string(base64_encode("u:" + placeholder).view()) + "yy",
        std::string(300, '.') + placeholder + std::string(300, '.'),
    };
    for (const std::string& text : texts) {
        for (const size_t step : {1U, 2U, 3U, 7U, 16U, 61U, 200U}) {
            PlaceholderScan scan(set);
            bool found = false;
            for (size_t at = 0; at < text.size(); at += step) {
                found = scan.piece(std::string_view(text).substr(at, step)) || found;
            }
            EXPECT_TRUE(found) << step << " " << text;
        }
    }
}

TEST_F(PlaceholderScanTest, nothing_bound_nothing_found) {
    PlaceholderScan scan(std::make_shared<PatternSet>());
    EXPECT_FALSE(scan.piece(placeholder));
}

}  // namespace
}  // namespace anchorhold::proxy
