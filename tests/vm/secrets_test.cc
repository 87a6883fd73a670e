// Where a secret is while a sandbox uses it: the proxy's memory and what the supervisor keeps out
// of core files. Not in the guest (all of its memory, its disk, its environment), the VMM, a core
// file of the supervisor, the logs; in no encoding.
#include <gtest/gtest.h>
#include <poll.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "vm/model_upstream.h"
#include "vm/secret_search.h"
#include "vm/window_home.h"

namespace anchorhold::vm_test {
namespace {

constexpr const char* kKey = "sk-ant-api03-Xq7R/2Lw+Zs9vTb4=NcYd6MfGh8JpAe1UoIi3BtCx5Ww0";

bool dumped(const Mapping& mapping) {
    return mapping.flags.find(" dd ") == std::string::npos;
}

bool anything(const Mapping&) {
    return true;
}

// The word behind `label` in a program's output, up to the end of its line.
std::string said(const std::string& output, const std::string& label) {
    const size_t at = output.find(label);
    if (at == std::string::npos) {
        return {};
    }
    const size_t begin = at + label.size();
    return output.substr(begin, output.find('\n', begin) - begin);
}

using Found = std::set<std::string>;

// The kernel's core files (core(5)) into a folder, while this lives.
class CoreFiles {
  public:
    explicit CoreFiles(const std::filesystem::path& folder) : folder_(folder) {
        std::filesystem::create_directories(folder);
        std::getline(std::ifstream(kPattern), former_);
        std::ofstream(kPattern) << folder.string() << "/%p";
    }
    ~CoreFiles() { std::ofstream(kPattern) << former_; }
    CoreFiles(const CoreFiles&) = delete;
    CoreFiles& operator=(const CoreFiles&) = delete;

    [[nodiscard]] size_t files() const {
        return static_cast<size_t>(std::distance(std::filesystem::directory_iterator(folder_), {}));
    }
    [[nodiscard]] std::string folder() const { return folder_.string(); }

  private:
    static constexpr const char* kPattern = "/proc/sys/kernel/core_pattern";
    std::filesystem::path folder_;
    std::string former_;
};

std::vector<pid_t> descendants_of(pid_t parent) {
    std::vector<pid_t> all;
    const std::string number = std::to_string(parent);
    for (const auto& task : std::filesystem::directory_iterator("/proc/" + number + "/task")) {
        std::ifstream children(task.path() / "children");
        for (pid_t pid = 0; children >> pid;) {
            const std::vector<pid_t> more = descendants_of(pid);
            all.push_back(pid);
            all.insert(all.end(), more.begin(), more.end());
        }
    }
    return all;
}

// A PID namespace's first process, as a VMM is, takes no signal from outside but the two that
// nobody can refuse; that its own faults leave no core is vmm_walls_test.cc's.
bool is_first_of_its_namespace(pid_t pid) {
    std::ifstream status("/proc/" + std::to_string(pid) + "/status");
    for (std::string line; std::getline(status, line);) {
        if (line.starts_with("NSpid:")) {
            return line.ends_with("\t1");
        }
    }
    return false;
}

// As a fault of its own would end it. Its parent may be stopped or be the process that was ended
// before, so a zombie counts as gone.
void abort_and_wait(pid_t pid) {
    ASSERT_GT(pid, 1);
    const OwnFd process(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    if (!process.valid()) {
        return;  // ended with the one before it
    }
    ::kill(pid, is_first_of_its_namespace(pid) ? SIGKILL : SIGABRT);
    pollfd ended{process.get(), POLLIN, 0};
    EXPECT_EQ(::poll(&ended, 1, 60'000), 1) << pid;
}

class SecretOfAVm : public ::testing::Test {
  protected:
    SecretOfAVm() {
        home_.set_roots(upstream_.root_pem());
        home_.add_upstream("api.anthropic.com", upstream_.port());
        home_.add_secret({"anthropic-api-key", kKey, "[api.anthropic.com]", "[anthropic]"});
        home_.add_ready_made("anthropic");
        home_.allow_loopback();
    }

    ModelUpstream upstream_;
    WindowHome home_;
};

TEST_F(SecretOfAVm,
       while_an_sdk_streams_the_secret_is_nowhere_that_a_guest_or_a_core_file_reaches) {
    const rlimit unlimited{RLIM_INFINITY, RLIM_INFINITY};
    ASSERT_EQ(::setrlimit(RLIMIT_CORE, &unlimited), 0) << "so that only the programs say no";
    // What the agent has instead of the key is put where the search has to look: environment,
    // memory and disk, and there in every encoding that a shell makes.
    Running running(home_.run(
        "ln -s /opt/clients/node_modules .\n" + carry("anthropic_client.mjs") +
            "printf %s $ANTHROPIC_API_KEY > canary\n"
            "base64 -w0 canary > canary.base64; od -An -v -tx1 canary | tr -d ' \\n' > canary.hex\n"
            "perl -e 'print scalar reverse <>' canary > canary.reversed; iconv -t UTF-16LE canary "
            "> canary.utf16; sync\n"
            "echo canary $ANTHROPIC_API_KEY\n"
            "exec node anthropic_client.mjs",
        {.memory = "384M"}));
    ASSERT_TRUE(running.wait_for("anthropic saw one\n")) << running.output();
    // The call is on its way: the upstream has the key, the stream is open.
    ASSERT_EQ(upstream_.received().size(), 2U);
    EXPECT_NE(
        upstream_.received()[1].head.find(std::string("authorization: Bearer ") + kKey + "\r\n"),
        std::string::npos);
    const std::string placeholder = said(running.output(), "canary ");
    ASSERT_EQ(placeholder.size(), std::string(kKey).size());
    const pid_t supervisor = running.pid();
    const pid_t vmm = vmm_of(supervisor).value_or(0);
    ASSERT_GT(vmm, 1);

    struct Place {
        const char* name;
        std::function<void(SecretSearch&)> search;
        Found has_placeholder;  // at least these: the search can find here
    };
    const Place places[] = {
        {"the VMM with all of the guest's memory",
         [&](SecretSearch& search) {
             EXPECT_GE(search_memory(vmm, anything, search), uint64_t{384} << 20);
         },
         {"plain", "base64 at 0", "hex", "reversed", "utf-16le"}},
        {"the guest's disk and what else the VMM may write to",
         [&](SecretSearch& search) { EXPECT_GE(search_writable_files(vmm, search), 1U); },
         {"plain", "base64 at 0", "hex", "reversed", "utf-16le"}},
        {"a core file of the supervisor",
         [&](SecretSearch& search) { search_memory(supervisor, dumped, search); },
         {"plain"}},
        {"what the installation writes down",
         [&](SecretSearch& search) { search_folder(home_.state().string(), search); },
         {}},
        {"what the agent said",
         [&](SecretSearch& search) { search.feed(running.output()); },
         {"plain"}},
    };
    for (const Place& place : places) {
        SecretSearch search(std::vector<std::string_view>{kKey, placeholder});
        place.search(search);
        EXPECT_EQ(search.found(0), Found{}) << "in " << place.name;
        EXPECT_GT(search.bytes(), 0U) << place.name;
        for (const std::string& encoding : place.has_placeholder) {
            EXPECT_TRUE(search.found(1).contains(encoding)) << encoding << " not in " << place.name;
        }
    }
    // The search of the supervisor could have found it: it is there, where no core file looks.
    SecretSearch locked(kKey);
    search_memory(
        supervisor, [](const Mapping& mapping) { return !dumped(mapping); }, locked);
    EXPECT_TRUE(locked.found().contains("plain"));

    // Real core files: there is none of anything here, though this host makes them. The supervisor
    // is stopped meanwhile, so that nobody follows the others' end.
    const CoreFiles cores(home_.path("cores"));
    const pid_t dumpable = ::fork();
    if (dumpable == 0) {
        std::abort();
    }
    ASSERT_EQ(::waitpid(dumpable, nullptr, 0), dumpable);
    ASSERT_EQ(cores.files(), 1U);
    ASSERT_EQ(::kill(supervisor, SIGSTOP), 0);
    const std::vector<pid_t> started = descendants_of(supervisor);
    ASSERT_GE(started.size(), 4U) << "VMM, zygote, proxy, dialer";
    for (const pid_t pid : started) {
        abort_and_wait(pid);
    }
    ASSERT_EQ(::kill(supervisor, SIGABRT), 0);
    ASSERT_EQ(::kill(supervisor, SIGCONT), 0);
    EXPECT_EQ(running.wait(), 128 + SIGABRT);
    EXPECT_EQ(cores.files(), 1U);
}

}  // namespace
}  // namespace anchorhold::vm_test
