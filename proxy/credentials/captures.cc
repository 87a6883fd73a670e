// Finding the strings, keeping them, and putting placeholders in their places.
#include "proxy/credentials/captures.h"

#include <algorithm>
#include <map>
#include <utility>

#include "proxy/credentials/encodings.h"
#include "proxy/credentials/foreign.h"
#include "proxy/credentials/json_text.h"

namespace anchorhold::proxy {

namespace {

struct Found {
    JsonString place;
    std::string prefix;  // what stays in front of the placeholder: "Basic "
    SecretString value;
    const StoredSecret* kept = nullptr;
};

SecretString decoded(std::string_view text, JsonString place) {
    std::string plain = json_unescape(text.substr(place.begin, place.end - place.begin));
    SecretString value(plain);
    wipe(plain);
    return value;
}

proto::Minted minted(const Found& found, const proto::Binding& binding) {
    proto::Minted message;
    message.set_binding(binding.id());
    message.mutable_secret()->set_name(found.kept->name);
    message.mutable_secret()->set_value(std::string(found.kept->value));
    message.mutable_secret()->set_placeholder(found.kept->placeholder);
    return message;
}

// `found` in the order of the text.
std::vector<proto::Minted> replace(const std::vector<Found>& found, const proto::Binding& binding,
                                   std::string& text) {
    std::string out;
    std::vector<proto::Minted> messages;
    std::vector<const StoredSecret*> seen;
    size_t from = 0;
    for (const Found& one : found) {
        out.append(text, from, one.place.begin - from);
        out.append(json_escape(one.prefix).view());
        out.append(one.kept->placeholder);
        from = one.place.end;
        if (std::ranges::find(seen, one.kept) == seen.end()) {
            seen.push_back(one.kept);
            messages.push_back(minted(one, binding));
        }
    }
    out.append(text, from);
    text.swap(out);
    wipe(out);
    return messages;
}

// "Basic abc": the scheme stays readable, because clients look at it.
void split_scheme(Found& found) {
    const std::string_view value = found.value.view();
    const size_t space = value.find(' ');
    if (space != std::string_view::npos && space < 32 &&
        value.find(' ', space + 1) == std::string_view::npos) {
        found.prefix = value.substr(0, space + 1);
        found.value = SecretString(value.substr(space + 1));
    }
}

std::string lower_case(std::string_view text) {
    std::string out(text);
    std::ranges::transform(out, out.begin(), [](char byte) {
        return byte >= 'A' && byte <= 'Z' ? static_cast<char>(byte - 'A' + 'a') : byte;
    });
    return out;
}

// The longest folder that both are in; one of them where they are the same.
void widen(Href& href, const Href& other) {
    if (href.path == other.path) {
        return;
    }
    const auto difference = std::ranges::mismatch(href.path, other.path).in1;
    const auto same = static_cast<size_t>(difference - href.path.begin());
    href.path.resize(href.path.rfind('/', same == 0 ? 0 : same - 1) + 1);
}

}  // namespace

Result<std::vector<proto::Minted>> capture_tokens(Credentials::Index& index,
                                                  const proto::Binding& binding,
                                                  std::span<const JsonPath> fields,
                                                  std::string& answer) {
    std::vector<Found> found;
    bool error = false;
    ANCHORHOLD_TRY(visit_json_strings(answer, [&](const JsonPath& path, JsonString place) {
        error = error || path == JsonPath{"error"};
        if (std::ranges::find(fields, path) != fields.end() && place.begin != place.end) {
            found.push_back(Found{place, "", decoded(answer, place)});
        }
    }));
    if (found.size() > Credentials::Index::kMaxCaptured / 2) {
        return fail("the answer has too many credentials at once");
    }
    if (found.empty()) {
        return error ? Result<std::vector<proto::Minted>>{}
                     : fail("the answer has none of the fields that hold its credentials");
    }
    for (Found& one : found) {
        one.kept = ANCHORHOLD_TRY(index.capture(binding, one.value.view(), std::nullopt));
    }
    index.rebuild();
    return replace(found, binding, answer);
}

Result<std::vector<proto::Minted>> capture_lfs_actions(Credentials::Index& index,
                                                       const proto::Binding& binding,
                                                       std::string& answer) {
    struct Header {
        Found found;
        std::string action;  // the path of the action, as a key
    };
    std::vector<Header> headers;
    std::map<std::string, Href> hrefs;  // by action
    const auto action_of = [](const JsonPath& path) { return path[1] + "/" + path[3]; };
    ANCHORHOLD_TRY(visit_json_strings(answer, [&](const JsonPath& path, JsonString place) {
        if (path.size() < 5 || path[0] != "objects" || path[2] != "actions") {
            return;
        }
        if (path.size() == 5 && path[4] == "href") {
            if (auto href = Href::parse(decoded(answer, place).view())) {
                hrefs.insert_or_assign(action_of(path), std::move(*href));
            }
        } else if (path.size() == 6 && path[4] == "header" &&
                   is_credential_header(lower_case(path[5])) && place.begin != place.end) {
            headers.push_back({Found{place, "", decoded(answer, place)}, action_of(path)});
            split_scheme(headers.back().found);
        }
    }));
    if (headers.size() > Credentials::Index::kMaxCaptured / 2) {
        return fail("a Git LFS answer hands out too many credentials at once");
    }
    // One token for many objects of one place is kept once, bound to the folder they share.
    std::vector<std::pair<size_t, Href>> groups;  // first header with that value, shared folder
    std::vector<size_t> group_of;
    for (size_t i = 0; i < headers.size(); ++i) {
        const auto href = hrefs.find(headers[i].action);
        if (href == hrefs.end()) {
            return fail("a Git LFS action hands out a credential without an https link");
        }
        auto group = std::ranges::find_if(groups, [&](const auto& known) {
            return known.second.host == href->second.host &&
                   known.second.port == href->second.port &&
                   headers[known.first].found.value.view() == headers[i].found.value.view();
        });
        if (group == groups.end()) {
            groups.emplace_back(i, href->second);
            group = groups.end() - 1;
        } else {
            widen(group->second, href->second);
        }
        group_of.push_back(static_cast<size_t>(group - groups.begin()));
    }
    std::vector<Found> found;
    for (size_t i = 0; i < headers.size(); ++i) {
        Found& one = headers[i].found;
        one.kept =
            ANCHORHOLD_TRY(index.capture(binding, one.value.view(), groups[group_of[i]].second));
        found.push_back(std::move(one));
    }
    if (found.empty()) {
        return std::vector<proto::Minted>{};
    }
    index.rebuild();
    return replace(found, binding, answer);
}

bool is_lfs_batch(std::string_view target) {
    return target.substr(0, target.find('?')).ends_with("/info/lfs/objects/batch");
}

}  // namespace anchorhold::proxy
