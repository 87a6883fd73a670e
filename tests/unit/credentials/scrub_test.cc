// Reflections in every form, cut anywhere, and what must pass untouched and at once.
#include "proxy/credentials/scrub.h"

#include <gtest/gtest.h>

#include "proxy/credentials/encodings.h"

namespace anchorhold::proxy {
namespace {

constexpr std::string_view kSecret = "sk-ant-api03-Real+Secret/With=Odd\"Chars&More";
constexpr std::string_view kPlaceholder = "sk-ant-api03-anchorholdQ7f3Kd9aZxPq81LmN7Gh2";

std::shared_ptr<const ScrubForms> forms_of(std::string_view secret, std::string_view placeholder) {
    auto forms = std::make_shared<ScrubForms>();
    add_scrub_forms(*forms, StoredSecret{"token", secret, std::string(placeholder)});
    forms->patterns.build();
    return forms;
}

std::string scrubbed(std::shared_ptr<const ScrubForms> forms, const std::string& text,
                     size_t step) {
    Scrubber scrubber(std::move(forms));
    std::string out;
    for (size_t at = 0; at < text.size(); at += step) {
        std::string piece = text.substr(at, step);
        scrubber.piece(piece);
        out += piece;
    }
    return out + scrubber.finish();
}

TEST(Scrub, every_form_replaced_and_length_kept) {
    const auto forms = forms_of(kSecret, kPlaceholder);
    ASSERT_EQ(kSecret.size(), kPlaceholder.size());
    const std::string secret(kSecret);
    const std::string cases[] = {
        "{\"key\": \"" + secret + "\"}",
        "q=" + std::string(percent_encode(secret).view()) + "&",
        "q=" + std::string(percent_encode(secret, "/", HexCase::lower).view()) + "&",
        "\"" + std::string(json_escape(secret).view()) + "\"",
        std::string(base64_encode(secret).view()),
        std::string(base64_encode("u:" + secret).view()),
        std::string(base64_encode("us:" + secret).view()),
        std::string(base64_encode("use:" + secret, Base64::url).view()),
        std::string(hex_encode(secret).view()),
        std::string(hex_encode(secret, HexCase::upper).view()),
        "sk-ant-api03-Real+Secret/With=Odd&quot;Chars&amp;More",
    };
    for (const std::string& text : cases) {
        for (const size_t step : {1U, 5U, 33U, 4096U}) {
            const std::string out = scrubbed(forms, "<<" + text + ">>", step);
            EXPECT_EQ(out.size(), text.size() + 4);
            EXPECT_NE(out, "<<" + text + ">>") << step;
            EXPECT_EQ(out.find(text.substr(4, text.size() - 8)), std::string::npos) << out;
        }
    }
    EXPECT_EQ(scrubbed(forms, secret, 7), kPlaceholder);
}

TEST(Scrub, base64_of_basic_credentials_decodes_to_the_placeholder) {
    const std::string secret = "ghp_0123456789abcdefghijklmnopqrstuvwxyz";
    const std::string placeholder = "ghp_anchorhold56789abcdefghijklmnopqrstu";
    ASSERT_EQ(secret.size(), placeholder.size());
    const std::string out = scrubbed(forms_of(secret, placeholder),
                                     std::string(base64_encode("git:" + secret).view()), 100);
    EXPECT_NE(base64_decode(out)->find("anchorhold"), std::string::npos);
}

TEST(Scrub, placeholder_of_other_length_becomes_asterisks) {
    EXPECT_EQ(scrubbed(forms_of("hunter2-pass", "anchorholdXXXXXX"), "a hunter2-pass b", 3),
              "a ************ b");
}

TEST(Scrub, short_secret_left_alone) {
    EXPECT_EQ(scrubbed(forms_of("admin", "anchorholdXXXXXX"), "admin", 2), "admin");
}

TEST(Scrub, harmless_text_passes_at_once) {
    Scrubber scrubber(forms_of(kSecret, kPlaceholder));
    for (const std::string_view event :
         {"data: {\"text\":\"Hello\"}\n\n", "event: ping\n\n", "x"}) {
        std::string piece(event);
        scrubber.piece(piece);
        EXPECT_EQ(piece, event);
    }
    EXPECT_EQ(scrubber.finish(), "");
    EXPECT_EQ(scrubber.replaced(), 0U);
}

TEST(Scrub, start_of_a_secret_held_until_it_is_known) {
    Scrubber scrubber(forms_of(kSecret, kPlaceholder));
    std::string piece = "a sk-ant-api03-Re";
    scrubber.piece(piece);
    EXPECT_EQ(piece, "a ");
    piece = "ading";
    scrubber.piece(piece);
    EXPECT_EQ(piece, "sk-ant-api03-Reading");
    piece = "sk-ant";
    scrubber.piece(piece);
    EXPECT_EQ(piece, "");
    EXPECT_EQ(scrubber.finish(), "sk-ant");
}

TEST(Scrub, fields_scrubbed_and_counted) {
    Scrubber scrubber(forms_of(kSecret, kPlaceholder));
    Fields fields{{"location", "/?key=" + std::string(kSecret)}, {"etag", "\"x\""}};
    scrubber.fields(fields);
    EXPECT_EQ(fields[0].value, "/?key=" + std::string(kPlaceholder));
    EXPECT_EQ(fields[1].value, "\"x\"");
    EXPECT_EQ(scrubber.replaced(), 1U);
}

}  // namespace
}  // namespace anchorhold::proxy
