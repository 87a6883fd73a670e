// Names and fsync(2).
#include "supervisor/service/snapshot_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include "base/sys.h"

namespace anchorhold::service {

std::string snapshot_generation(const std::string& folder) {
    const size_t dash = folder.rfind('-');
    return dash == std::string::npos ? "0" : folder.substr(dash + 1);
}

Status sync_folder(const std::string& folder) {
    for (const char* file : {kStateFile, kMemoryFile}) {
        const std::string path = folder + "/" + file;
        const OwnFd opened = ANCHORHOLD_TRY(sys::open(path, O_RDONLY));
        if (::fsync(opened.get()) < 0) {
            return fail_errno("fsync", path);
        }
    }
    const OwnFd itself = ANCHORHOLD_TRY(sys::open(folder, O_RDONLY | O_DIRECTORY));
    return ::fsync(itself.get()) < 0 ? Status(fail_errno("fsync", folder)) : Status();
}

}  // namespace anchorhold::service
