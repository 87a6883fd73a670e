// resolv.conf(5), hosts(5), nsswitch.conf(5).
#include "guest-init/egress/resolver_files.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include "guest-init/image_files.h"

namespace anchorhold::guest_init {
namespace {

constexpr std::string_view kResolvConf = "nameserver 127.0.0.1\n";
constexpr std::string_view kHosts =
    "127.0.0.1\tlocalhost anchorhold\n::1\tlocalhost ip6-localhost ip6-loopback\n";

bool is_word_end(std::string_view text, size_t at) {
    return at >= text.size() || text[at] == ' ' || text[at] == '\t' || text[at] == '\n';
}

// nsswitch.conf(5): the line "hosts: …" with "dns" at its end where it had none; empty where
// nothing is to be changed.
std::string with_dns(const std::string& text) {
    size_t line = 0;
    while (line < text.size() && text.compare(line, 6, "hosts:") != 0) {
        const size_t end = text.find('\n', line);
        line = end == std::string::npos ? text.size() : end + 1;
    }
    if (line >= text.size()) {
        return {};
    }
    const size_t end = std::min(text.find('\n', line), text.size());
    const std::string_view hosts = std::string_view(text).substr(line, end - line);
    for (size_t at = hosts.find("dns"); at != std::string_view::npos;
         at = hosts.find("dns", at + 3)) {
        if (is_word_end(hosts, at + 3) &&
            (hosts[at - 1] == ' ' || hosts[at - 1] == '\t' || hosts[at - 1] == ':')) {
            return {};
        }
    }
    return std::string(text).insert(end, " dns");
}

}  // namespace

Status point_resolver_at_stub(const std::string& etc) {
    if (read_regular(etc + "/resolv.conf") != kResolvConf) {
        ANCHORHOLD_TRY(replace_file(etc + "/resolv.conf", kResolvConf));
    }
    if (::access((etc + "/hosts").c_str(), F_OK) < 0 && errno == ENOENT) {
        ANCHORHOLD_TRY(replace_file(etc + "/hosts", kHosts));
    }
    const std::string changed = with_dns(read_regular(etc + "/nsswitch.conf"));
    return changed.empty() ? Status{} : replace_file(etc + "/nsswitch.conf", changed);
}

}  // namespace anchorhold::guest_init
