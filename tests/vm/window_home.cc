// Files as a user would write them.
#include "vm/window_home.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <fstream>
#include <sstream>

namespace anchorhold::vm_test {
namespace {

// An SDK that takes a second to load takes a minute where its machine is emulated twice, and npm
// four on a busy host.
constexpr auto kClientPatience = std::chrono::seconds(600);

void write(const std::filesystem::path& path, const std::string& text) {
    std::filesystem::create_directories(path.parent_path());
    std::ofstream(path) << text;
    std::filesystem::permissions(
        path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

}  // namespace

WindowHome::WindowHome() : secrets_("secrets:\n") {
    char name[] = "/tmp/anchorhold-home-XXXXXX";
    home_ = ::mkdtemp(name);
}

WindowHome::~WindowHome() {
    std::error_code failed;
    std::filesystem::remove_all(home_, failed);
}

void WindowHome::add_secret(const Secret& secret) {
    const auto file = home_ / ("secret-" + secret.name);
    write(file, secret.value);
    secrets_ += "  " + secret.name + ":\n    from: {file: " + file.string() +
                "}\n    hosts: " + secret.hosts + "\n    policies: " + secret.policies + "\n";
    write(home_ / "config/anchorhold/secrets.yaml", secrets_);
}

void WindowHome::add_upstream(const std::string& name, uint16_t port) {
    upstreams_.emplace_back(name, port);
    write_settings();
}

void WindowHome::set_roots(const std::string& pem) {
    write(home_ / "roots.pem", pem);
    write_settings();
}

void WindowHome::write_settings() const {
    std::string text = "version: 1\nhosts:\n";
    for (const auto& [name, port] : upstreams_) {
        text += "  " + name + ": 127.0.0.1:" + std::to_string(port) + "\n";
    }
    write(home_ / "config/anchorhold/network.yaml",
          text + "roots: " + (home_ / "roots.pem").string() + "\n");
}

void WindowHome::add_policy(const std::string& name, const std::string& yaml) {
    const auto file = home_ / (name + ".yaml");
    write(file, yaml);
    policies_.push_back(file.string());
}

void WindowHome::allow_loopback() {
    std::string hosts;
    for (const auto& [name, port] : upstreams_) {
        hosts += (hosts.empty() ? "" : ", ") + name;
    }
    std::string rules;
    for (const std::string protocol : {"https", "http"}) {
        rules += "  - hosts: [" + hosts + "]\n    protocol: " + protocol +
                 "\n    methods: [OPTIONS]\n    paths: [/loopback]\n"
                 "    private_ranges: [127.0.0.0/8]\n";
    }
    add_policy("loopback", "version: 1\nkind: grant\nname: loopback\nallow:\n" + rules);
}

Invocation WindowHome::invocation(std::vector<std::string> arguments) const {
    Invocation invocation;
    invocation.arguments = std::move(arguments);
    invocation.environment = {"HOME=" + home_.string(),
                              "XDG_CONFIG_HOME=" + (home_ / "config").string(),
                              "XDG_STATE_HOME=" + (home_ / "state").string()};
    return invocation;
}

Invocation WindowHome::run(const std::string& script, const Guest& guest) const {
    std::vector<std::string> arguments = {"run",        "--image", guest.image, "--memory",
                                          guest.memory, "--user",  guest.user};
    for (const std::string& policy : policies_) {
        arguments.insert(arguments.end(), {"--policy", policy});
    }
    arguments.insert(arguments.end(), {"--", "sh", "-c", script});
    Invocation result = invocation(std::move(arguments));
    result.patience = kClientPatience;
    return result;
}

std::string read_tree(const std::filesystem::path& folder) {
    std::ostringstream all;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
        if (entry.is_regular_file()) {
            all << std::ifstream(entry.path()).rdbuf();
        }
    }
    return all.str();
}

std::filesystem::path clients_folder() {
    return std::filesystem::read_symlink("/proc/self/exe").parent_path() / "clients";
}

std::string carry(const std::string& program) {
    std::ostringstream text;
    text << std::ifstream(clients_folder() / "programs" / program).rdbuf();
    EXPECT_FALSE(text.str().empty()) << program << " is not in " << clients_folder();
    return "cat > " + program + " <<'END OF PROGRAM'\n" + text.str() + "\nEND OF PROGRAM\n";
}

}  // namespace anchorhold::vm_test
