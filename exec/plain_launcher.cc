// Commands as ourselves.
#include "exec/plain_launcher.h"

#include <unistd.h>

#include <cstdlib>

namespace anchorhold::exec {
namespace {

class NoWalls final : public Enclosure {
  public:
    [[nodiscard]] const char* enter() noexcept override { return nullptr; }
};

std::string variable_or(const char* name, const char* fallback) {
    const char* value =
        std::getenv(name);  // NOLINT(concurrency-mt-unsafe): nobody here changes the environment
    return value != nullptr && *value != '\0' ? value : fallback;
}

}  // namespace

Result<Account> PlainLauncher::account(std::string_view user) {
    const uid_t uid = ::getuid();
    Account self{uid, ::getgid(), uid == 0 ? "root" : variable_or("USER", "nobody"),
                 variable_or("HOME", "/"), "/bin/sh"};
    if (user.empty() || user == self.name || user == std::to_string(uid)) {
        return self;
    }
    return fail("user " + std::string(user) + ": commands here run as " + self.name + " only");
}

Result<std::unique_ptr<Enclosure>> PlainLauncher::enclose(const Account& /*account*/) {
    return std::make_unique<NoWalls>();
}

}  // namespace anchorhold::exec
