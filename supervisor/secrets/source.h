// Where a secret's value comes from, and fetching it straight into locked memory.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "proxy/credentials/locked_memory.h"

namespace anchorhold::supervisor {

// A value in locked memory. Move-only.
struct SecretValue {
    proxy::LockedMemory memory;
    size_t size = 0;  // bytes, line ends at the end left out

    [[nodiscard]] std::string_view view() const { return {memory.bytes().data(), size}; }
};

constexpr size_t kMaxSecret = size_t{64} << 10;  // bytes

// A variable of this process, taken when the registry was read.
struct EnvironmentSource {
    std::string variable;
    std::shared_ptr<const SecretValue> value;  // null: it was not set
};
// A file that only its owner can read.
struct FileSource {
    std::string path;
};
// The standard output of a program, at most kMaxSecret, run each time without a shell. One that has
// not ended in time is killed.
struct CommandSource {
    std::vector<std::string> arguments;
    std::chrono::milliseconds patience = std::chrono::minutes(1);
};
// A file in $CREDENTIALS_DIRECTORY (systemd.exec(5), "Credentials").
struct SystemdSource {
    std::string name;
};

using SecretSource = std::variant<EnvironmentSource, FileSource, CommandSource, SystemdSource>;

// Moves the variable's value into locked memory and overwrites it where it was.
Result<EnvironmentSource> take_environment(const std::string& variable);

// An error says where it was looked for and what to do, and holds nothing of the value.
Result<SecretValue> fetch(const SecretSource& source);

// A regular file of ours or root's that nobody else can read or write.
Status check_private_file(int fd, const std::string& path);

}  // namespace anchorhold::supervisor
