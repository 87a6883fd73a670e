// Reads the end of a file backwards by one block.
#include "machine/log_tail.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <string_view>
#include <vector>

#include "base/log.h"
#include "base/sys.h"

namespace anchorhold::machine {
namespace {

constexpr uint64_t kBlock = 4096;
constexpr size_t kMaxLine = 200;

std::string_view trimmed(std::string_view line) {
    const size_t first = line.find_first_not_of(" \t\r");
    const size_t last = line.find_last_not_of(" \t\r");
    return first == std::string_view::npos ? std::string_view()
                                           : line.substr(first, last - first + 1);
}

std::string read_end(const std::string& path) {
    const auto fd = sys::open(path, O_RDONLY | O_NOFOLLOW);
    const auto size = fd ? sys::file_size(fd->get(), path) : Result<uint64_t>(uint64_t{0});
    if (!size || *size == 0) {
        return {};
    }
    std::string text(std::min(*size, kBlock), '\0');
    const auto read =
        sys::read_exact_at(fd->get(), std::as_writable_bytes(std::span(text.data(), text.size())),
                           *size - text.size(), path);
    return read ? text : std::string();
}

}  // namespace

std::string last_lines(const std::string& path, size_t count) {
    const std::string text = read_end(path);
    std::vector<std::string_view> lines;
    for (std::string_view rest = text; !rest.empty();) {
        const size_t end = std::min(rest.find('\n'), rest.size());
        const std::string_view line = trimmed(rest.substr(0, end));
        if (!line.empty()) {
            lines.push_back(line);
        }
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    std::string joined;
    for (size_t i = lines.size() - std::min(count, lines.size()); i < lines.size(); ++i) {
        joined += (joined.empty() ? "" : " | ") + log::escaped(lines[i], kMaxLine);
    }
    return joined;
}

}  // namespace anchorhold::machine
