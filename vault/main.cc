// anchorhold-vault encrypt|decrypt KIND SANDBOX GENERATION: one file, then it ends. Descriptor 3 is
// the source, 4 the target, an empty file, 5 a pipe with the key. KIND is state, memory, disk or
// file.
#include <unistd.h>

#include <charconv>
#include <csignal>
#include <span>
#include <string>
#include <string_view>

#include "base/fd.h"
#include "base/log.h"
#include "vault/lock_down.h"
#include "vault/vault.h"

namespace anchorhold::vault {
namespace {

constexpr int kSource = 3;
constexpr int kTarget = 4;
constexpr int kKeyPipe = 5;

Result<FileKind> parse_kind(std::string_view text) {
    if (text == "state") {
        return FileKind::kState;
    }
    if (text == "memory") {
        return FileKind::kMemory;
    }
    if (text == "disk") {
        return FileKind::kDisk;
    }
    if (text == "file") {
        return FileKind::kOther;
    }
    return fail("no kind of file: " + log::escaped(text));
}

Result<uint64_t> parse_generation(std::string_view text) {
    uint64_t value = 0;
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (error != std::errc() || end != text.data() + text.size()) {
        return fail("no generation: " + log::escaped(text));
    }
    return value;
}

Status run(std::span<char*> arguments) {
    constexpr size_t kMaxSandbox = 255;
    if (arguments.size() != 5 || std::string_view(arguments[3]).size() > kMaxSandbox) {
        return fail("anchorhold-vault is started by anchorhold");
    }
    const std::string_view mode = arguments[1];
    const Context context{.kind = ANCHORHOLD_TRY(parse_kind(arguments[2])),
                          .sandbox = arguments[3],
                          .generation = ANCHORHOLD_TRY(parse_generation(arguments[4]))};
    ANCHORHOLD_TRY(lock_down());
    const OwnFd pipe(kKeyPipe);
    const Key key = ANCHORHOLD_TRY(Key::read(pipe.get()));
    if (mode == "encrypt") {
        return encrypt(kSource, kTarget, key, context);
    }
    if (mode == "decrypt") {
        return decrypt(kSource, kTarget, key, context);
    }
    return fail("neither encrypt nor decrypt: " + log::escaped(mode));
}

}  // namespace
}  // namespace anchorhold::vault

int main(int argc, char** argv) {
    using namespace anchorhold;
    log::configure("vault", log::level_from_environment(log::Level::kWarning));
    log::open_nothing_later();
    std::signal(SIGPIPE, SIG_IGN);
    const Status ended = vault::run(std::span(argv, static_cast<size_t>(argc)));
    if (!ended) {
        log::error("{}", ended.error().message);
    }
    // Nothing is left to be done, and what the filter does not know need not be tried.
    ::_exit(ended ? 0 : 1);
}
