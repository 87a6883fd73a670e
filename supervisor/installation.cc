// <prefix>/bin/anchorhold looks in <prefix>/lib/anchorhold.
#include "supervisor/installation.h"

#include <cstdlib>
#include <filesystem>
#include <system_error>

namespace anchorhold::supervisor {

std::string Installation::image_path(const std::string& name) const {
    return name.find('/') == std::string::npos ? images + "/" + name + ".erofs" : name;
}

std::vector<std::string> Installation::boot_files(const SandboxSpec& spec) const {
    return {image_path(spec.image), spec.kernel.empty() ? kernel : spec.kernel, initrd};
}

Result<Installation> find_installation() {
    std::error_code failed;
    const auto program = std::filesystem::read_symlink("/proc/self/exe", failed);
    if (failed) {
        return fail_errno(failed.value(), "readlink", "/proc/self/exe");
    }
    const char* override_folder =
        std::getenv("ANCHORHOLD_LIBRARY");  // NOLINT(concurrency-mt-unsafe)
    Installation found;
    found.program = program;
    found.library = override_folder != nullptr
                        ? std::string(override_folder)
                        : (program.parent_path().parent_path() / "lib/anchorhold").string();
    found.vmm = found.library + "/anchorhold-vmm";
    found.kernel = found.library + "/vmlinux";
    found.initrd = found.library + "/init.cpio";
    found.images = found.library + "/images";
    found.machine = found.library + "/machine";
    found.disk_template = found.library + "/disk.template";
    return found;
}

}  // namespace anchorhold::supervisor
