// Tables of sysctls and limits, and the host's name.
#include "guest-init/system_settings.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <string_view>

#include "base/fd.h"
#include "base/result.h"

namespace anchorhold::guest_init {
namespace {

constexpr Sysctl kSysctls[] = {
    {"kernel/dmesg_restrict", "1", "kernel messages hold addresses"},
    {"kernel/kptr_restrict", "2", "no kernel addresses, to uid 0 either"},
    {"kernel/sysrq", "0", "nobody sits at the console"},
    {"fs/protected_symlinks", "1", "/tmp is shared between the users of the image"},
    {"fs/protected_hardlinks", "1", "as symlinks"},
    {"vm/compaction_proactiveness", "0",
     "kcompactd would look twice a second, in idle guests, too"},
    {"net/ipv4/ip_unprivileged_port_start", "0", "agents serve on port 80 without a capability"},
    {"net/ipv4/ping_group_range", "0 2147483647", "ping without a raw socket"},
};

struct Limit {
    __rlimit_resource resource;
    rlim_t value;
};
// NOFILE: enough for servers and test suites, small enough for programs that close every number up
// to it.
constexpr Limit kLimits[] = {{RLIMIT_NOFILE, 65536}, {RLIMIT_CORE, 0}, {RLIMIT_MEMLOCK, 8 << 20}};

Status write_setting(const std::string& path, const char* value) {
    const OwnFd fd(::open(path.c_str(), O_WRONLY | O_CLOEXEC));
    if (!fd.valid() && errno == ENOENT) {
        return {};  // a kernel without the feature needs no setting for it
    }
    if (!fd.valid() || ::write(fd.get(), value, std::strlen(value)) < 0) {
        return fail_errno("write", path);
    }
    return {};
}

}  // namespace

void apply_system_settings(const std::string& proc, std::vector<std::string>& warnings) {
    const auto note = [&warnings](const Status& status) {
        if (!status) {
            warnings.push_back(status.error().message);
        }
    };
    for (const Sysctl& setting : kSysctls) {
        note(write_setting(proc + "/sys/" + setting.path, setting.value));
    }
    if (::sethostname(kHostName.data(), kHostName.size()) < 0) {
        note(fail_errno("sethostname"));
    }
    for (const Limit& limit : kLimits) {
        const rlimit both{limit.value, limit.value};
        if (::setrlimit(limit.resource, &both) < 0) {
            note(fail_errno("setrlimit", std::to_string(limit.resource)));
        }
    }
}

}  // namespace anchorhold::guest_init
