// The VMM's reason, the guest kernel's last line, or init's last words: whichever says most.
#include "supervisor/vmm_end.h"

#include <fmt/format.h>

#include <string_view>

#include "base/log.h"

namespace anchorhold::supervisor {
namespace {

// The last line of a guest's kernel messages, printable.
std::string last_line(std::string_view tail) {
    while (!tail.empty() && (tail.back() == '\n' || tail.back() == '\r')) {
        tail.remove_suffix(1);
    }
    const size_t begin = tail.rfind('\n');
    return log::escaped(begin == std::string_view::npos ? tail : tail.substr(begin + 1), 200);
}

// What init said before it gave up (guest-init/main.cc), or nothing.
std::string last_words_of_init(std::string_view tail) {
    constexpr std::string_view kMark = "anchorhold-init: cannot start: ";
    const size_t begin = tail.rfind(kMark);
    if (begin == std::string_view::npos) {
        return {};
    }
    const std::string_view rest = tail.substr(begin + kMark.size());
    return log::escaped(rest.substr(0, rest.find_first_of("\r\n")), 300);
}

}  // namespace

std::string describe_end(const proto::Ended& ended, const std::string& image) {
    if (const std::string reason = last_words_of_init(ended.console_tail()); !reason.empty()) {
        return fmt::format("image {}: the guest cannot start from it: {}", image, reason);
    }
    switch (ended.reason()) {
        case proto::Ended::RESET:
            return "the guest reset itself";
        case proto::Ended::PANIC:
            return fmt::format("guest kernel panic: {}", log::escaped(ended.detail(), 300));
        case proto::Ended::CRASH: {
            const std::string line = last_line(ended.console_tail());
            return fmt::format("the guest crashed: {}{}{}", log::escaped(ended.detail(), 300),
                               line.empty() ? "" : "; its kernel's last line: ", line);
        }
        case proto::Ended::FAILED:
            return log::escaped(ended.detail(), 400);
        default:
            return "the VMM ended for a reason it did not name";
    }
}

}  // namespace anchorhold::supervisor
