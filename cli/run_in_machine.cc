// The same run, one host further in.
#include "cli/run_in_machine.h"

#include <vector>

#include "cli/exit_status.h"
#include "cli/machine_host.h"
#include "cli/run_report.h"
#include "machine/shared_file.h"
#include "supervisor/image.h"

namespace anchorhold::cli {
namespace {

Result<int> run_there(const supervisor::Installation& installation, const RunOptions& options) {
    RunOptions there = options;
    const bool image_is_path = options.sandbox.image.find('/') != std::string::npos;
    // Looked at before a machine is started: an error about a file names it as the user did.
    if (image_is_path) {
        ANCHORHOLD_TRY(supervisor::open_image(options.sandbox.image));
    }
    if (!options.sandbox.kernel.empty()) {
        ANCHORHOLD_TRY(supervisor::open_kernel(options.sandbox.kernel));
    }
    const machine::Machine machine = ANCHORHOLD_TRY(ensure_machine(installation));
    std::vector<machine::SharedFile> lent;
    if (image_is_path) {
        lent.push_back(ANCHORHOLD_TRY(
            machine::SharedFile::lend(machine.status.share(), options.sandbox.image)));
        there.sandbox.image = lent.back().inside();
    }
    if (!options.sandbox.kernel.empty()) {
        lent.push_back(ANCHORHOLD_TRY(
            machine::SharedFile::lend(machine.status.share(), options.sandbox.kernel)));
        there.sandbox.kernel = lent.back().inside();
    }
    MachineCommand command = ourselves(to_arguments(there));
    command.interactive = options.interactive;
    command.terminal = options.terminal;
    return run_in(machine, command);
}

}  // namespace

int run_in_machine(const supervisor::Installation& installation, const RunOptions& options) {
    const auto status = run_there(installation, options);
    if (!status) {
        print_error(status.error().message);
        return kExitFailed;
    }
    return *status;
}

}  // namespace anchorhold::cli
