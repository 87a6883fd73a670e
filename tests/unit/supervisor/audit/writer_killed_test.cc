// A writer killed in the middle of what it does: the next one goes on, and nothing acknowledged is
// missing.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/sys.h"
#include "rig.h"

namespace anchorhold::supervisor {
namespace {

// Appends until it is killed; says after each batch how many records are acknowledged.
[[noreturn]] void write_for_ever(const AuditRig& rig, int acknowledged) {
    const auto log = rig.open();
    const std::vector<proto::AuditEvent> batch(50, AuditRig::decision("/" + std::string(900, 'x')));
    while (log && (*log)->append(batch)) {
        const uint64_t records = (*log)->records();
        if (::write(acknowledged, &records, sizeof records) != sizeof records) {
            break;
        }
    }
    ::_exit(1);
}

TEST(WriterKilledTest, next_writer_goes_on_and_acknowledged_records_are_there) {
    const AuditRig rig;
    for (int round = 0; round < 10; ++round) {
        auto pipe = sys::pipe().value();
        const pid_t child = ::fork();
        ASSERT_GE(child, 0);
        if (child == 0) {
            write_for_ever(rig, pipe.write_end.get());
        }
        pipe.write_end.reset();
        uint64_t acknowledged = 0;
        // Killed while it writes some batch behind these.
        for (int batch = 0; batch <= round; ++batch) {
            ASSERT_EQ(::read(pipe.read_end.get(), &acknowledged, sizeof acknowledged),
                      static_cast<ssize_t>(sizeof acknowledged));
        }
        ASSERT_EQ(::kill(child, SIGKILL), 0);
        int status = 0;
        ASSERT_EQ(::waitpid(child, &status, 0), child);
        while (::read(pipe.read_end.get(), &acknowledged, sizeof acknowledged) > 0) {
        }
        rig.write(1);
        const VerifyReport report = rig.verify();
        EXPECT_TRUE(report.findings.empty()) << report.findings.front().what;
        EXPECT_GT(report.records, acknowledged);
    }
}

}  // namespace
}  // namespace anchorhold::supervisor
