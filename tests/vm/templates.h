// Templates that the tests of one program share, in a state folder of their own.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "vm/anchorhold.h"

namespace anchorhold::vm_test {

class Templates {
  public:
    // A new, empty folder; gone with the object.
    Templates();
    ~Templates();
    Templates(const Templates&) = delete;
    Templates& operator=(const Templates&) = delete;

    // `anchorhold ARGUMENT…` with this state folder.
    [[nodiscard]] Invocation invocation(std::vector<std::string> arguments) const;
    [[nodiscard]] Completed call(std::vector<std::string> arguments) const;
    // `template create NAME OPTION…`; what it says is the test's failure when it fails.
    void create(const std::string& name, const std::vector<std::string>& options) const;
    // `run --from NAME OPTION… -- COMMAND`.
    [[nodiscard]] Invocation from(const std::string& name, const std::vector<std::string>& command,
                                  const std::vector<std::string>& options = {}) const;
    [[nodiscard]] Completed run(const std::string& name, const std::vector<std::string>& command,
                                const std::vector<std::string>& options = {}) const;
    // The same of a line for the guest's shell.
    [[nodiscard]] Completed shell(const std::string& name, const std::string& script) const {
        return run(name, {"sh", "-c", script});
    }

    [[nodiscard]] const std::string& state_folder() const { return folder_; }
    // The folder of all templates, and a file of one.
    [[nodiscard]] std::string store() const { return folder_ + "/anchorhold/templates"; }
    [[nodiscard]] std::string file(const std::string& name, const char* which) const {
        return store() + "/" + name + "/" + which;
    }

  private:
    std::string folder_;
};

// A program for the guest as a shell command that writes it to the file `name` in its home.
std::string carry_text(const std::string& name, std::string_view text);
// The same of bytes, with `base64 -d`.
std::string carry_bytes(const std::string& name, std::string_view bytes);
// A file of tests/vm/in-guest in the same way.
std::string in_guest(const std::string& program);
// A file that lies beside this test program.
std::string beside_us(const std::string& name);

}  // namespace anchorhold::vm_test
