// passwd(5), strictly.
#include "guest-init/accounts.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <vector>

#include "base/log.h"
#include "base/sys.h"

namespace anchorhold::guest_init {
namespace {

constexpr size_t kMaxPasswd = 1 << 20;
constexpr size_t kMaxField = 4096;

// A uid or gid: decimal, and not (uid_t)-1, which setresuid(2) takes for "leave it".
std::optional<uint32_t> parse_id(std::string_view text) {
    uint32_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (text.empty() || error != std::errc() || end != text.data() + text.size() ||
        value == UINT32_MAX) {
        return std::nullopt;
    }
    return value;
}

std::vector<std::string_view> split(std::string_view line, char separator) {
    std::vector<std::string_view> fields;
    for (;;) {
        const size_t end = line.find(separator);
        fields.push_back(line.substr(0, end));
        if (end == std::string_view::npos) {
            return fields;
        }
        line.remove_prefix(end + 1);
    }
}

// name:password:uid:gid:comment:home:shell
std::optional<exec::Account> parse_line(std::string_view line) {
    const auto fields = split(line, ':');
    if (fields.size() != 7 || fields[0].empty() || line.find('\0') != std::string_view::npos) {
        return std::nullopt;
    }
    const auto uid = parse_id(fields[2]);
    const auto gid = parse_id(fields[3]);
    if (!uid || !gid || fields[5].size() > kMaxField || fields[6].size() > kMaxField) {
        return std::nullopt;
    }
    return exec::Account{*uid, *gid, std::string(fields[0]),
                         fields[5].empty() ? "/" : std::string(fields[5]),
                         fields[6].empty() ? "/bin/sh" : std::string(fields[6])};
}

template <typename Predicate>
std::optional<exec::Account> find(std::string_view passwd, Predicate matches) {
    while (!passwd.empty()) {
        const size_t end = passwd.find('\n');
        const auto account = parse_line(passwd.substr(0, end));
        if (account && matches(*account)) {
            return account;
        }
        passwd.remove_prefix(end == std::string_view::npos ? passwd.size() : end + 1);
    }
    return std::nullopt;
}

exec::Account account_of(std::string_view passwd, uint32_t uid) {
    const auto listed = find(passwd, [uid](const exec::Account& a) { return a.uid == uid; });
    if (listed) {
        return *listed;
    }
    std::string name = std::to_string(uid);
    if (uid == 0) {
        name = "root";
    } else if (uid == kAgentUid) {
        name = "agent";
    }
    return exec::Account{uid, uid, name, "/", "/bin/sh"};
}

}  // namespace

Result<exec::Account> find_account(std::string_view passwd, std::string_view user) {
    if (user.empty()) {
        return account_of(passwd, kAgentUid);
    }
    const size_t colon = user.find(':');
    const auto uid = parse_id(user.substr(0, colon));
    if (uid) {
        exec::Account account = account_of(passwd, *uid);
        if (colon != std::string_view::npos) {
            const auto gid = parse_id(user.substr(colon + 1));
            if (!gid) {
                return fail("user '" + log::escaped(user, 64) +
                            "': the part after ':' is not a gid");
            }
            account.gid = *gid;
        }
        return account;
    }
    const auto listed = find(passwd, [user](const exec::Account& a) { return a.name == user; });
    if (!listed) {
        return fail("user '" + log::escaped(user, 64) + "' is not in the image's /etc/passwd");
    }
    return *listed;
}

std::string read_passwd(const std::string& path) {
    // Nonblocking: whoever may write there could have put a FIFO in its place.
    const auto fd = sys::open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    struct stat status {};
    if (!fd || ::fstat(fd->get(), &status) < 0 || !S_ISREG(status.st_mode)) {
        return {};
    }
    std::string text(std::min<size_t>(static_cast<size_t>(status.st_size), kMaxPasswd), '\0');
    const auto got = sys::read_some(fd->get(), std::as_writable_bytes(std::span(text)));
    text.resize(got && got->has_value() ? **got : 0);
    return text;
}

}  // namespace anchorhold::guest_init
