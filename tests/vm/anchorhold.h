// Running the `anchorhold` program under test, with deadlines on everything.
#pragma once

#include <chrono>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "base/spawn.h"

namespace anchorhold::vm_test {

using namespace std::chrono_literals;

// How long any one run may take: an emulated guest boots in a second or two, on a loaded machine in
// ten.
constexpr auto kPatience = std::chrono::seconds(120);

struct Completed {
    int status = -1;  // exit status, or 128+n when signal n killed anchorhold itself
    std::string out;
    std::string err;
    bool timed_out = false;
};

struct Invocation {
    std::vector<std::string> arguments;         // after "anchorhold"
    std::string input;                          // stdin's bytes; /dev/null when empty
    std::vector<std::string> environment;       // added to a small fixed one
    std::chrono::seconds patience = kPatience;  // for the whole run; for each wait of a Running
};

// Runs to the end and collects both outputs.
Completed anchorhold(const Invocation& invocation);
// The same for `anchorhold run --image … -- command`, tiny image, 128M.
Completed run(const std::vector<std::string>& command, const std::vector<std::string>& options = {},
              const std::string& input = {});

// One that runs while the test does other things. Killed in the destructor.
class Running {
  public:
    // stdout and stderr arrive on one pipe, or on a pseudo-terminal that is also stdin.
    enum class Streams { kPipes, kTerminal };
    explicit Running(const Invocation& invocation, Streams streams = Streams::kPipes);
    // `anchorhold run` with the same defaults as run().
    static Running command(const std::vector<std::string>& command,
                           const std::vector<std::string>& options = {},
                           Streams streams = Streams::kPipes);

    // Reads until `text` has appeared (true) or the patience or the output is over (false). Keeps
    // everything in output().
    bool wait_for(const std::string& text) { return wait_for_behind(0, text); }
    // The same from byte `from` of the output on.
    bool wait_for_behind(size_t from, const std::string& text);
    void type(const std::string& keys);
    void resize(unsigned rows, unsigned columns);
    void signal(int number);
    void close_output() { output_end_.reset(); }
    // Waits for the end; the status as in Completed, nothing when it did not end in time.
    std::optional<int> wait();
    // The same of the process alone: others that it started may go on and hold its output open.
    std::optional<int> wait_for_process();

    [[nodiscard]] const std::string& output() const { return output_; }
    [[nodiscard]] pid_t pid() const { return child_.pid(); }
    [[nodiscard]] int terminal() const { return output_end_.get(); }

  private:
    bool read_more(std::chrono::steady_clock::time_point deadline);

    std::chrono::seconds patience_;
    Child child_;
    OwnFd output_end_;  // a pipe's read end, or the master of the pseudo-terminal
    std::string output_;
};

// Where the program under test is.
std::string program_path();
// The folder with kernel, images and init of the program under test.
std::string library_path();
// The VMM that the `anchorhold` process `parent` has started, once there is one.
std::optional<pid_t> vmm_of(pid_t parent);
// A folder of this test program, gone when it ends.
const std::string& private_folder();

}  // namespace anchorhold::vm_test
