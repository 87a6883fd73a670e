// PID 1 of the emulated host's initrd: loads modules, lays a tmpfs over the read-only 9p tree that
// the real host exports, mounts what a Linux host has, and hands over to the program named by
// anchorhold.init= on the kernel's command line.
//
// A program rather than a script because under emulation every new process costs about 10 ms.
// It shares no code with the layers: ./build makes it alone, before any of them.
#include <dirent.h>
#include <fcntl.h>
#include <linux/reboot.h>
#include <net/if.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <string>
#include <string_view>

namespace {

// Ends QEMU (-no-reboot) at once, so that whoever started it sees a dead machine and its reason on
// the console, not a silent one.
[[noreturn]] void fail(const std::string& what) {
    std::fprintf(stderr, "anchorhold-machine: %s: %s\n", what.c_str(), std::strerror(errno));
    std::fflush(stderr);
    sync();
    reboot(LINUX_REBOOT_CMD_RESTART);
    _exit(1);
}

// The file's content, or "" if it cannot be read.
std::string read_file(const std::string& path) {
    std::string content;
    const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
    char buffer[4096];
    for (ssize_t n = 0; fd >= 0 && (n = read(fd, buffer, sizeof buffer)) > 0;) {
        content.append(buffer, static_cast<size_t>(n));
    }
    if (fd >= 0) {
        close(fd);
    }
    return content;
}

bool write_file(const std::string& path, std::string_view content) {
    const int fd = open(path.c_str(), O_WRONLY | O_CLOEXEC);
    const bool done = fd >= 0 && write(fd, content.data(), content.size()) ==
                                     static_cast<ssize_t>(content.size());
    if (fd >= 0) {
        close(fd);
    }
    return done;
}

// Calls visit(word) for each word between any of the separators.
template <typename Visit>
void for_each_word(std::string_view text, std::string_view separators, Visit visit) {
    while (true) {
        const auto start = text.find_first_not_of(separators);
        if (start == std::string_view::npos) {
            return;
        }
        text.remove_prefix(start);
        const auto word = text.substr(0, text.find_first_of(separators));
        visit(word);
        text.remove_prefix(word.size());
    }
}

// A line in the kernel's log (dmesg shows when; the console stays quiet).
void mark(const char* what) {
    write_file("/dev/kmsg", std::string("<6>anchorhold-machine: ") + what + "\n");
}

void must_mount(const char* source, const char* target, const char* type, unsigned long flags,
                const char* options) {
    if (mount(source, target, type, flags, options) != 0) {
        fail(std::string("mount ") + type + " on " + target);
    }
}

// Loads the modules that a list names, one "name options…" a line, in that order. Words
// "name.option" of the kernel's command line count too, and win, as with modprobe(8).
void load_modules(const char* list) {
    const std::string command_line = read_file("/proc/cmdline");
    for_each_word(read_file(list), "\n", [&](std::string_view line) {
        const auto name = line.substr(0, line.find(' '));
        std::string options(
            line.substr(line.size() == name.size() ? name.size() : name.size() + 1));
        for_each_word(command_line, " \n", [&](std::string_view word) {
            if (word.starts_with(name) && word.substr(name.size()).starts_with('.')) {
                options += " " + std::string(word.substr(name.size() + 1));
            }
        });
        const std::string path = "/modules/" + std::string(name) + ".ko";
        const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC);
        if (fd < 0 || syscall(SYS_finit_module, fd, options.c_str(), 0) != 0) {
            fail("module " + path);
        }
        close(fd);
        unlink(path.c_str());  // Gives the memory back; nothing loads it twice.
    });
}

// Calls visit(entry name) for each entry of a folder that may be absent.
template <typename Visit>
void for_each_entry(const char* folder, Visit visit) {
    DIR* stream = opendir(folder);
    while (const dirent* entry = stream == nullptr ? nullptr : readdir(stream)) {
        if (entry->d_name[0] != '.') {
            visit(std::string(entry->d_name));
        }
    }
    if (stream != nullptr) {
        closedir(stream);
    }
}

// True if a virtio-9p device carries this mount tag.
bool has_export(std::string_view tag) {
    bool found = false;
    for_each_entry("/sys/bus/virtio/drivers/9pnet_virtio", [&](const std::string& device) {
        // The kernel ends the tag with a NUL, which belongs to its attribute file.
        found |=
            read_file("/sys/bus/virtio/drivers/9pnet_virtio/" + device + "/mount_tag").c_str() ==
            tag;
    });
    return found;
}

std::string program_from_command_line() {
    std::string program = "/sbin/anchorhold-machine-agent";
    constexpr std::string_view kOption = "anchorhold.init=";
    for_each_word(read_file("/proc/cmdline"), " \n", [&](std::string_view word) {
        if (word.starts_with(kOption)) {
            program = word.substr(kOption.size());
        }
    });
    return program;
}

// The tree never changes while a machine runs (./tree makes a new one), so "loose" caching is safe
// for it. Files in the share come and go: "readahead" asks the host again at every open. ("none"
// reads ten times slower.)
void mount_root() {
    must_mount("root", "/lower", "9p", MS_RDONLY,
               "trans=virtio,version=9p2000.L,msize=512000,cache=loose");
    must_mount("tmpfs", "/upper", "tmpfs", 0, "mode=0755");
    mkdir("/upper/data", 0755);
    mkdir("/upper/work", 0755);
    must_mount("overlay", "/root", "overlay", 0,
               "lowerdir=/lower,upperdir=/upper/data,workdir=/upper/work");
    if (has_export("share")) {
        must_mount("share", "/root/mnt/share", "9p", MS_RDONLY,
                   "trans=virtio,version=9p2000.L,msize=512000,cache=readahead");
    }
}

void fill_dev() {
    mkdir("/dev/pts", 0755);
    mkdir("/dev/shm", 0755);
    must_mount("devpts", "/dev/pts", "devpts", 0, "mode=0620,ptmxmode=0666");
    must_mount("tmpfs", "/dev/shm", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
    if (symlink("/proc/self/fd", "/dev/fd") != 0 || symlink("fd/0", "/dev/stdin") != 0 ||
        symlink("fd/1", "/dev/stdout") != 0 || symlink("fd/2", "/dev/stderr") != 0) {
        fail("links in /dev");
    }
}

// favordynmods: without it moving a task between cgroups waits for an RCU grace period.
void mount_cgroups() {
    must_mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, "nsdelegate,favordynmods");
    std::string wanted;
    for_each_word(read_file("/sys/fs/cgroup/cgroup.controllers"), " \n",
                  [&](std::string_view controller) {
                      wanted += (wanted.empty() ? "+" : " +") + std::string(controller);
                  });
    if (!write_file("/sys/fs/cgroup/cgroup.subtree_control", wanted)) {
        fail("cgroup controllers " + wanted);
    }
}

void raise_loopback() {
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || ioctl(fd, SIOCSIFFLAGS, &request) != 0) {
        fail("interface lo");
    }
    close(fd);
}

// True if there is a virtio console device (virtio 1.2, 5.3: device ID 3), which brings ports.
bool has_virtio_console() {
    bool found = false;
    for_each_entry("/sys/bus/virtio/devices", [&](const std::string& device) {
        found |= read_file("/sys/bus/virtio/devices/" + device + "/device") == "0x0003\n";
    });
    return found;
}

// What udev would do: /dev/virtio-ports/NAME for each port that QEMU gave a name. Returns how many.
int link_virtio_ports() {
    int linked = 0;
    mkdir("/dev/virtio-ports", 0755);
    for_each_entry("/sys/class/virtio-ports", [&](const std::string& port) {
        for_each_word(read_file("/sys/class/virtio-ports/" + port + "/name"), "\n",
                      [&](std::string_view name) {
                          const std::string link = "/dev/virtio-ports/" + std::string(name);
                          linked += symlink(("../" + port).c_str(), link.c_str()) == 0 ? 1 : 0;
                      });
    });
    return linked;
}

// Ports are announced by messages from QEMU's main loop, some time after the driver is up.
void await_virtio_ports() {
    constexpr int kTries = 3000;
    for (int tries = 0; link_virtio_ports() == 0 && has_virtio_console(); ++tries) {
        if (tries == kTries) {
            fail("QEMU announced no virtio-serial port");
        }
        const timespec pause{0, 1'000'000};
        nanosleep(&pause, nullptr);
    }
}

// As switch_root(8) does: the new root takes the place of the initrd.
[[noreturn]] void switch_root_and_exec(const std::string& program) {
    for (const char* moved : {"proc", "sys", "dev"}) {
        must_mount(("/" + std::string(moved)).c_str(), ("/root/" + std::string(moved)).c_str(), "",
                   MS_MOVE, "");
    }
    if (chdir("/root") != 0 || mount(".", "/", nullptr, MS_MOVE, nullptr) != 0 ||
        chroot(".") != 0 || chdir("/") != 0) {
        fail("switching to the overlay root");
    }
    const char* const arguments[] = {program.c_str(), nullptr};
    const char* const environment[] = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root",
                                       "TERM=linux", nullptr};
    execve(program.c_str(), const_cast<char* const*>(arguments),
           const_cast<char* const*>(environment));
    fail("starting " + program);
}

}  // namespace

int main() {
    must_mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr);
    must_mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, nullptr);
    must_mount("devtmpfs", "/dev", "devtmpfs", MS_NOSUID, "mode=0755");
    mark("initrd");
    load_modules("/modules.list");
    mark("modules");
    mount_root();
    must_mount("tmpfs", "/root/run", "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755");
    must_mount("tmpfs", "/root/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "mode=1777");
    fill_dev();
    mount_cgroups();
    raise_loopback();
    if (sethostname("anchorhold-machine", std::strlen("anchorhold-machine")) != 0) {
        fail("sethostname");
    }
    // The kernel's errors belong on the console, its warnings do not.
    write_file("/proc/sys/kernel/printk", "4");
    // Guest memory is a memfd that asks for huge pages; anonymous memory gets them by default.
    write_file("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "advise");
    mark("root");
    await_virtio_ports();
    switch_root_and_exec(program_from_command_line());
}
