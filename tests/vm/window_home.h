// A user's configuration for runs with a window: secrets, where names lead, policies; one folder,
// gone with the object.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "vm/anchorhold.h"

namespace anchorhold::vm_test {

class WindowHome {
  public:
    WindowHome();
    ~WindowHome();
    WindowHome(const WindowHome&) = delete;
    WindowHome& operator=(const WindowHome&) = delete;

    struct Secret {
        std::string name;
        std::string value;
        std::string hosts;     // a YAML list, as in secrets.yaml
        std::string policies;  // the same
    };
    void add_secret(const Secret& secret);
    // The name leads to this port on loopback. Policies still have to allow that: see
    // allow_loopback().
    void add_upstream(const std::string& name, uint16_t port);
    void set_roots(const std::string& pem);
    // A document of the test's own; runs get every document that was added, in this order.
    void add_policy(const std::string& name, const std::string& yaml);
    // One of the installation's own policies, by its name.
    void add_ready_made(const std::string& name) { policies_.push_back(name); }
    // One more document: the names of add_upstream() may be on loopback. It grants one request
    // that nobody sends, so that ready-made policies are tested as they are.
    void allow_loopback();

    // A file of this folder.
    [[nodiscard]] std::filesystem::path path(const std::string& name) const { return home_ / name; }
    // Everything the installation keeps about sandboxes: the audit logs and their keys.
    [[nodiscard]] std::filesystem::path state() const { return home_ / "state"; }

    // `anchorhold ARGUMENT…` with this configuration.
    [[nodiscard]] Invocation invocation(std::vector<std::string> arguments) const;
    // `anchorhold run` with all policies, image and memory, and `sh -c SCRIPT`.
    struct Guest {
        std::string image = "clients";
        std::string memory = "512M";
        std::string user = "agent";
    };
    [[nodiscard]] Invocation run(const std::string& script, const Guest& guest) const;

  private:
    void write_settings() const;

    std::filesystem::path home_;
    std::string secrets_;
    std::vector<std::pair<std::string, uint16_t>> upstreams_;
    std::vector<std::string> policies_;
};

// All files below a folder, one behind the other.
std::string read_tree(const std::filesystem::path& folder);
// A program of tests/clients/programs as a shell command that writes it to the working directory:
// how client programs come into a guest.
std::string carry(const std::string& program);
// tests/clients, wherever this test program runs.
std::filesystem::path clients_folder();

}  // namespace anchorhold::vm_test
