// Who a command runs as, from the image's /etc/passwd: text from outside, which may be missing,
// huge or nonsense.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "exec/launcher.h"

namespace anchorhold::guest_init {

// The agent's uid and gid where nobody asks for others.
constexpr uid_t kAgentUid = 1000;

// The account that `user` means given the text of a passwd(5) file. Empty: uid 1000. A name must be
// in the file; a uid or uid:gid need not: what the file does not say is made up (name "agent" for
// 1000, gid like uid, home "/"). Malformed lines are skipped; the first match wins.
[[nodiscard]] Result<exec::Account> find_account(std::string_view passwd, std::string_view user);

// The text of a passwd file of at most 1 MiB; empty where there is none, or where it is not a
// regular file.
[[nodiscard]] std::string read_passwd(const std::string& path);

}  // namespace anchorhold::guest_init
