// One line: 64 digits, two spaces, a name.
#include "supervisor/audit/digest_beside.h"

#include <algorithm>
#include <cerrno>

#include "base/sys.h"
#include "supervisor/audit/digest.h"
#include "supervisor/audit/file_digest.h"

namespace anchorhold::supervisor {
namespace {

Status check_one(const std::string& path, const std::string& cache_folder) {
    const std::string beside = path + ".sha256";
    const auto text = sys::read_file(beside);
    if (!text) {
        return text.error().code == ENOENT ? Status() : Status(tl::unexpected(text.error()));
    }
    const auto wanted = parse_digest_file(*text);
    if (!wanted) {
        return fail(beside + ": " + wanted.error().message);
    }
    const std::string digest = ANCHORHOLD_TRY(file_digest(path, cache_folder));
    if (digest != *wanted) {
        return fail(path + " is not the file that it was made as: its digest is " + digest +
                    ", its .sha256 says " + *wanted + "; install it again");
    }
    return {};
}

}  // namespace

Result<std::string> parse_digest_file(std::string_view text) {
    constexpr size_t kDigits = 2 * kSha256Size;
    const auto is_digit = [](char c) { return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f'); };
    if (!text.empty() && text.back() == '\n') {
        text.remove_suffix(1);
    }
    const std::string_view digest = text.substr(0, kDigits);
    const std::string_view rest = text.substr(digest.size());
    const bool whole =
        digest.size() == kDigits && std::all_of(digest.begin(), digest.end(), is_digit);
    const bool one_line = rest.find('\n') == std::string_view::npos;
    // The second mark is '*' for a file that was read as binary, which is the same here.
    const bool named = rest.size() > 2 && (rest.starts_with("  ") || rest.starts_with(" *"));
    if (!whole || !one_line || !(rest.empty() || named)) {
        return fail("not what sha256sum writes for one file");
    }
    return "sha256:" + std::string(digest);
}

Status check_digests_beside(std::span<const std::string> paths, const std::string& cache_folder) {
    for (const std::string& path : paths) {
        ANCHORHOLD_TRY(check_one(path, cache_folder));
    }
    return {};
}

}  // namespace anchorhold::supervisor
