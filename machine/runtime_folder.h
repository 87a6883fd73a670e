// Where machines live at run time: one private folder each, with their sockets; found again by
// anyone who is us.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"
#include "base/result.h"

namespace anchorhold::machine {

// Names inside a machine's folder.
constexpr const char* kExecSocket =
    "exec";  // each connection is one exec stream (proto/exec.proto)
constexpr const char* kControlSocket = "control";  // RelayRequest and RelayStatus
constexpr const char* kConsoleLog = "console.log";
constexpr const char* kRelayLog = "relay.log";
constexpr const char* kShareLink =
    "share";  // a symbolic link to what the machine sees as /mnt/share

// The folder all machines of this user are in (base/private_folder.h). Made where it is missing;
// refused unless it is a real folder of ours that nobody else can enter.
[[nodiscard]] Result<std::string> runtime_folder();

// The names of the machines' folders in it, sorted; not each must be alive.
[[nodiscard]] Result<std::vector<std::string>> list_machine_folders();

// An open folder of one machine. Its sockets are reached through the descriptor, so that no path is
// too long for them.
class MachineFolder {
  public:
    // Opens `name`; makes it first where it is missing.
    static Result<MachineFolder> create(const std::string& name);
    // Opens a folder that exists; the error's code is ENOENT where it does not.
    static Result<MachineFolder> open(const std::string& path);

    [[nodiscard]] const std::string& path() const { return path_; }

    // Takes the folder's lock, which is held until the folder is closed. False when the folder was
    // removed meanwhile: then open it anew.
    [[nodiscard]] Result<bool> lock();

    // A blocking connection. The error's code is ENOENT or ECONNREFUSED where nobody listens.
    [[nodiscard]] Result<OwnFd> connect(const char* socket) const;
    // A nonblocking listener; a stale socket of the name is replaced. Call with the lock held.
    [[nodiscard]] Result<OwnFd> listen(const char* socket) const;

    // Removes what a machine leaves, and the folder. Call with the lock held.
    void remove() const;

  private:
    MachineFolder(std::string path, OwnFd fd) : path_(std::move(path)), fd_(std::move(fd)) {}

    std::string path_;
    OwnFd fd_;
};

// Removes a folder and everything in it; what cannot be removed stays. Never follows a symbolic
// link.
void remove_tree(const std::string& path);

}  // namespace anchorhold::machine
