// State folders are XDG_STATE_HOME.
#include "vm/templates.h"

#include <gtest/gtest.h>
#include <stdlib.h>

#include <cstdint>
#include <filesystem>
#include <iterator>
#include <sstream>
#include <system_error>
#include <utility>

#include "base/sys.h"

namespace anchorhold::vm_test {
namespace {

// A cold start, the warming, a restore; on a loaded machine that is emulated twice.
constexpr auto kMaking = std::chrono::seconds(400);

}  // namespace

Templates::Templates() : folder_(private_folder() + "/state-XXXXXX") {
    if (::mkdtemp(folder_.data()) == nullptr) {
        std::abort();
    }
}

Templates::~Templates() {
    std::error_code failed;
    std::filesystem::remove_all(folder_, failed);
}

Invocation Templates::invocation(std::vector<std::string> arguments) const {
    Invocation invocation;
    invocation.arguments = std::move(arguments);
    invocation.environment = {"XDG_STATE_HOME=" + folder_};
    return invocation;
}

Completed Templates::call(std::vector<std::string> arguments) const {
    return anchorhold(invocation(std::move(arguments)));
}

void Templates::create(const std::string& name, const std::vector<std::string>& options) const {
    std::vector<std::string> arguments = {"template", "create", name};
    arguments.insert(arguments.end(), options.begin(), options.end());
    Invocation making = invocation(std::move(arguments));
    making.patience = kMaking;
    const Completed done = anchorhold(making);
    ASSERT_EQ(done.status, 0) << done.out << done.err;
}

Invocation Templates::from(const std::string& name, const std::vector<std::string>& command,
                           const std::vector<std::string>& options) const {
    std::vector<std::string> arguments = {"run", "--quiet", "--from", name};
    arguments.insert(arguments.end(), options.begin(), options.end());
    arguments.emplace_back("--");
    arguments.insert(arguments.end(), command.begin(), command.end());
    return invocation(std::move(arguments));
}

Completed Templates::run(const std::string& name, const std::vector<std::string>& command,
                         const std::vector<std::string>& options) const {
    return anchorhold(from(name, command, options));
}

std::string carry_text(const std::string& name, std::string_view text) {
    return "cat > " + name + " <<'END OF PROGRAM'\n" + std::string(text) + "\nEND OF PROGRAM\n";
}

std::string carry_bytes(const std::string& name, std::string_view bytes) {
    constexpr std::string_view kDigits =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    std::string text;
    uint32_t bits = 0;
    unsigned held = 0;
    for (const char byte : bytes) {
        bits = bits << 8U | static_cast<uint8_t>(byte);
        for (held += 8; held >= 6; held -= 6) {
            text += kDigits[bits >> (held - 6) & 63U];
        }
    }
    if (held != 0) {
        text += kDigits[bits << (6 - held) & 63U];
    }
    text.append((4 - text.size() % 4) % 4, '=');
    return "base64 -d > " + name + " <<'END OF PROGRAM'\n" + text + "\nEND OF PROGRAM\n";
}

std::string beside_us(const std::string& name) {
    return std::filesystem::read_symlink("/proc/self/exe").parent_path() / name;
}

std::string in_guest(const std::string& program) {
    const auto text = sys::read_file(beside_us("vm_in_guest/" + program));
    EXPECT_TRUE(text) << text.error().message;
    return carry_text(program, text.value_or(""));
}

}  // namespace anchorhold::vm_test
