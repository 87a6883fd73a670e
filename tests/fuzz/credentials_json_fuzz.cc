// JSON locations: what is accepted is JSON for others too, and a replaced string changes nothing
// else.
#include <nlohmann/json.hpp>

#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "base/check.h"
#include "proxy/credentials/encodings.h"
#include "proxy/credentials/json_text.h"

namespace {

// A number beyond a double's range is JSON that the other reader cannot hold.
bool others_accept(const std::string& text) {
    try {
        return !nlohmann::json::parse(text).is_discarded();
    } catch (const nlohmann::json::out_of_range&) {
        return true;
    } catch (const nlohmann::json::exception&) {
        return false;
    }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
    using namespace anchorhold::proxy;
    const std::string text(reinterpret_cast<const char*>(data), size);
    struct Found {
        JsonPath path;
        JsonString place;
    };
    std::vector<Found> found;
    const auto read = visit_json_strings(text, [&](const JsonPath& path, JsonString place) {
        ANCHORHOLD_CHECK(place.begin <= place.end && place.end < text.size());
        ANCHORHOLD_CHECK(text[place.begin - 1] == '"' && text[place.end] == '"');
        found.push_back({path, place});
    });
    if (!read) {
        return 0;
    }
    // Invalid UTF-8 and single surrogates are strings for us and errors for the other reader.
    const bool plain =
        std::ranges::all_of(text,
                            [](char byte) { return static_cast<unsigned char>(byte) < 0x80; }) &&
        text.find("\\u") == std::string::npos;
    ANCHORHOLD_CHECK(!plain || others_accept(text));
    if (found.empty()) {
        return 0;
    }
    const std::string_view value = "a \"secret\"\\\n";
    const size_t chosen = size % found.size();
    const JsonString place = found[chosen].place;
    std::string changed = text.substr(0, place.begin);
    changed += json_escape(value).view();
    changed += text.substr(place.end);
    size_t index = 0;
    const auto again = visit_json_strings(changed, [&](const JsonPath& path, JsonString now) {
        ANCHORHOLD_CHECK(path == found[index].path);
        const std::string inside = changed.substr(now.begin, now.end - now.begin);
        const JsonString then = found[index].place;
        ANCHORHOLD_CHECK(index == chosen
                             ? json_unescape(inside) == value
                             : inside == text.substr(then.begin, then.end - then.begin));
        ++index;
    });
    ANCHORHOLD_CHECK(again && index == found.size());
    return 0;
}
