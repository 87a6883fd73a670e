// Where Anchorhold's own programs, kernel and images are: next to the running program, in a build
// folder as under /usr.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "supervisor/spec.h"

namespace anchorhold::supervisor {

// Absolute paths; nothing is checked to exist until it is opened.
struct Installation {
    std::string program;  // the running `anchorhold`
    std::string library;  // <prefix>/lib/anchorhold
    std::string vmm;      // anchorhold-vmm
    std::string kernel;   // vmlinux
    std::string initrd;   // init.cpio
    std::string images;   // folder of <name>.erofs
    std::string machine;  // the emulated host: image/, tree/, qemu-args
    std::string kvm = "/dev/kvm";
    std::string disk_template;  // an empty file system, packed (disk_template.h)

    // The file of an image: a name without a slash is <images>/<name>.erofs, anything else is a
    // path.
    [[nodiscard]] std::string image_path(const std::string& name) const;
    // The files that a sandbox boots from: its image, its kernel, init.
    [[nodiscard]] std::vector<std::string> boot_files(const SandboxSpec& spec) const;
};

// Finds the installation from /proc/self/exe; ANCHORHOLD_LIBRARY overrides the library folder.
[[nodiscard]] Result<Installation> find_installation();

}  // namespace anchorhold::supervisor
