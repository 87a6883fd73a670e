// Named sandboxes: what each operation leaves, also when it is cut off in the middle.
#include "supervisor/service/sandboxes.h"

#include <filesystem>

#include "service_fixture.h"

namespace anchorhold::service {
namespace {

using namespace std::chrono_literals;

class SandboxesTest : public ServiceFixture {
  protected:
    void hibernate(const std::string& name) {
        sandboxes->hibernate(name, told());
        engine.let_all();
        ASSERT_EQ(result, "hibernated");
    }
    // Opens a command's stream; its first bytes, or the error.
    std::string exec(const std::string& name) {
        result = "waits";
        sandboxes->exec(name, {}, [this](Result<CommandStream> stream) {
            result = stream ? "stream" : stream.error().message;
            if (stream) {
                commands.push_back(std::move(*stream));
            }
        });
        return result;
    }
    [[nodiscard]] bool has_file(const std::string& name) const {
        return std::filesystem::exists(folder.path() + "/sandboxes/" + name);
    }
    // What a supervisor that is killed now leaves to the next.
    void restart() {
        commands.clear();
        end();
        begin();
        engine.let_all();
    }

    std::vector<CommandStream> commands;
};

TEST_F(SandboxesTest, created_one_runs_is_kept_and_recorded) {
    create("amber");
    EXPECT_EQ(state("amber"), "running");
    EXPECT_TRUE(keeping.held.contains("amber"));
    EXPECT_TRUE(has_file("amber/record.json"));
    EXPECT_EQ(sandboxes->find("amber")->record.start, "cold");
}

TEST_F(SandboxesTest, creation_that_fails_leaves_nothing) {
    CreateRequest request;
    request.name = "amber";
    sandboxes->create(request, told());
    engine.let(fail("no memory"));
    engine.turn();
    EXPECT_EQ(result, "no memory");
    EXPECT_EQ(state("amber"), "none");
    EXPECT_FALSE(has_file("amber"));
    EXPECT_TRUE(keeping.held.empty());

    keeping.refuse = true;
    sandboxes->create(request, told());
    engine.let_all();
    EXPECT_EQ(result, "the keeper is full");
    EXPECT_FALSE(has_file("amber"));
    EXPECT_TRUE(engine.alive.empty());
}

TEST_F(SandboxesTest, creation_that_is_cut_off_is_undone) {
    CreateRequest request;
    request.name = "amber";
    sandboxes->create(request, told());
    ASSERT_TRUE(has_file("amber/record.json"));
    restart();
    EXPECT_EQ(state("amber"), "none");
    EXPECT_FALSE(has_file("amber"));
}

TEST_F(SandboxesTest, names_are_checked_and_taken_once) {
    create("amber");
    CreateRequest request;
    request.name = "amber";
    sandboxes->create(request, told());
    EXPECT_EQ(code, EEXIST);
    request.name = "../amber";
    sandboxes->create(request, told());
    EXPECT_EQ(code, EINVAL);
    request.name = "birch";
    request.spec.cpus = 99;
    sandboxes->create(request, told());
    EXPECT_EQ(code, EINVAL);
    request.spec.cpus = 1;
    request.policies = {"anthropic"};
    sandboxes->create(request, told());
    EXPECT_EQ(code, ENOSYS);
    EXPECT_EQ(state("birch"), "none");
    request.policies.clear();
    request.name.clear();
    sandboxes->create(request, told());
    engine.let_all();
    EXPECT_EQ(result, "running");
}

TEST_F(SandboxesTest, from_a_template_the_machine_is_the_templates) {
    CreateRequest request;
    request.name = "amber";
    request.template_name = "python";
    sandboxes->create(request, told());
    engine.let_all();
    const auto view = sandboxes->find("amber");
    EXPECT_EQ(view->record.cpus, 2U);
    EXPECT_EQ(view->record.image, "debian");
    EXPECT_EQ(view->record.start, "restore");
}

TEST_F(SandboxesTest, stopped_one_starts_again_cold) {
    create("amber");
    sandboxes->stop("amber", told());
    engine.let_all();
    EXPECT_EQ(result, "stopped");
    EXPECT_TRUE(keeping.held.empty());
    EXPECT_EQ(exec("amber"), "sandbox 'amber' is stopped: start it first");
    sandboxes->start("amber", told());
    engine.let_all();
    EXPECT_EQ(result, "running");
    EXPECT_EQ(sandboxes->find("amber")->record.generation, 2U);
}

TEST_F(SandboxesTest, one_that_ends_by_itself_is_stopped_with_its_reason) {
    create("amber");
    engine.find("amber")->end("guest kernel panic: oops");
    engine.turn();
    EXPECT_EQ(state("amber"), "stopped");
    EXPECT_EQ(sandboxes->find("amber")->record.reason, "guest kernel panic: oops");
    EXPECT_TRUE(keeping.held.empty());
    restart();
    EXPECT_EQ(sandboxes->find("amber")->record.reason, "guest kernel panic: oops");
}

TEST_F(SandboxesTest, one_operation_at_a_time) {
    create("amber");
    sandboxes->pause("amber", told());
    sandboxes->stop("amber", told());
    EXPECT_EQ(code, EBUSY);
    engine.let_all();
    EXPECT_EQ(state("amber"), "paused");
    sandboxes->start("amber", told());
    EXPECT_EQ(code, EBUSY);
    sandboxes->pause("birch", told());
    EXPECT_EQ(code, ENOENT);
}

TEST_F(SandboxesTest, one_that_ends_within_an_operation_fails_it) {
    for (const char* operation : {"pause", "hibernate", "fork"}) {
        create("amber");
        if (std::string(operation) == "pause") {
            sandboxes->pause("amber", told());
        } else if (std::string(operation) == "hibernate") {
            sandboxes->hibernate("amber", told());
            engine.let();  // the pause; the snapshot waits
        } else {
            sandboxes->fork("amber", 2, [this](const Result<std::vector<SandboxView>>& made) {
                result = made ? "made" : made.error().message;
            });
        }
        engine.find("amber")->end("killed");
        engine.let_all();
        EXPECT_EQ(result, "it ended meanwhile: killed") << operation;
        EXPECT_EQ(state("amber"), "stopped") << operation;
        EXPECT_FALSE(has_file("amber-1")) << operation;
        EXPECT_FALSE(has_file("amber/snapshot-1")) << operation;
        sandboxes->remove("amber", Sandboxes::Removal::if_stopped, [](const Status&) {});
        engine.turn();
        EXPECT_FALSE(has_file("amber"));
    }
}

TEST_F(SandboxesTest, removal_needs_force_while_it_runs) {
    create("amber");
    Status removed;
    const auto keep = [&](const Status& status) { removed = status; };
    sandboxes->remove("amber", Sandboxes::Removal::if_stopped, keep);
    EXPECT_EQ(removed.error().code, EBUSY);
    sandboxes->remove("amber", Sandboxes::Removal::always, keep);
    engine.turn();
    EXPECT_TRUE(removed);
    EXPECT_EQ(state("amber"), "none");
    EXPECT_TRUE(engine.alive.empty());
    EXPECT_TRUE(keeping.held.empty());
    create("amber");
}

TEST_F(SandboxesTest, hibernated_one_comes_back_on_the_next_command) {
    create("amber");
    hibernate("amber");
    EXPECT_TRUE(engine.alive.empty());
    EXPECT_TRUE(keeping.held.empty());
    EXPECT_TRUE(has_file("amber/snapshot-1"));
    EXPECT_EQ(exec("amber"), "waits");
    engine.let_all();
    EXPECT_EQ(result, "stream");
    EXPECT_EQ(state("amber"), "running");
    EXPECT_EQ(sandboxes->find("amber")->record.generation, 2U);
    EXPECT_FALSE(has_file("amber/snapshot-1"));
    EXPECT_EQ(engine.log.back(), "resume 2 amber");
}

TEST_F(SandboxesTest, hibernation_survives_a_restart_and_a_reboot) {
    create("amber");
    hibernate("amber");
    restart();
    EXPECT_EQ(state("amber"), "hibernated");
    sandboxes->resume("amber", told());
    engine.let_all();
    EXPECT_EQ(result, "running");
}

TEST_F(SandboxesTest, hibernation_that_is_cut_off_leaves_it_running) {
    create("amber");
    sandboxes->hibernate("amber", told());
    engine.let();  // it stands still, the snapshot is being written
    ASSERT_TRUE(has_file("amber/snapshot-1"));
    restart();
    EXPECT_EQ(state("amber"), "running");
    EXPECT_FALSE(has_file("amber/snapshot-1"));
    EXPECT_EQ(engine.log.back(), "resume 0 amber") << "it was left standing still";
}

TEST_F(SandboxesTest, failed_snapshot_lets_it_go_on) {
    create("amber");
    sandboxes->hibernate("amber", told());
    engine.let();
    engine.let(fail("No space left on device"));
    engine.let_all();
    EXPECT_EQ(result, "No space left on device");
    EXPECT_EQ(state("amber"), "running");
    EXPECT_EQ(engine.log.back(), "resume 0 amber");
    EXPECT_FALSE(has_file("amber/snapshot-1"));
}

TEST_F(SandboxesTest, snapshot_is_given_up_before_its_guest_runs) {
    create("amber");
    hibernate("amber");
    sandboxes->resume("amber", told());
    engine.let();  // restored; it has not run yet
    restart();     // the record said running by then
    EXPECT_EQ(state("amber"), "running");
    EXPECT_TRUE(sandboxes->find("amber")->record.snapshot.empty());
    EXPECT_EQ(engine.log.back(), "resume 2 amber") << "nobody told it who it is";
    restart();
    EXPECT_EQ(engine.log.back(), "resume 0 amber") << "it was told twice";
}

TEST_F(SandboxesTest, snapshot_goes_with_its_guest) {
    create("amber");
    hibernate("amber");
    sandboxes->resume("amber", told());
    engine.let();
    engine.find("amber")->end("killed by signal 9");
    engine.turn();
    EXPECT_EQ(result, "it ended meanwhile: killed by signal 9");
    EXPECT_EQ(state("amber"), "stopped");
    EXPECT_FALSE(has_file("amber/snapshot-1"));
}

// The keeper may be replaced at any time.
TEST_F(SandboxesTest, next_keeper_holds_those_that_an_operation_is_under_way_for) {
    create("amber");
    create("basalt");
    hibernate("basalt");
    sandboxes->resume("basalt", told());
    engine.let();  // it is there, and does not run yet
    sandboxes->fork("amber", 1, [](const Result<std::vector<SandboxView>>&) {});
    keeping.held.clear();
    sandboxes->hold_all();
    EXPECT_TRUE(keeping.held.contains("amber"));
    EXPECT_TRUE(keeping.held.contains("basalt"));
    EXPECT_FALSE(keeping.held.contains("amber-1")) << "it is nobody's yet";
    engine.let_all();
    EXPECT_TRUE(keeping.held.contains("amber-1"));
    EXPECT_TRUE(keeping.held.contains("basalt"));
}

// What follows at once finds the log free.
TEST_F(SandboxesTest, operations_end_when_the_window_is_closed) {
    create("amber", 0, {"one"});
    sandboxes->hibernate("amber", told());
    engine.let_all();
    EXPECT_EQ(result, "nothing");
    windows.let_close();
    engine.turn();
    EXPECT_EQ(result, "hibernated");
    sandboxes->resume("amber", told());
    engine.let_all();
    EXPECT_EQ(result, "running");

    engine.find("amber")->end("killed by signal 9");
    engine.turn();
    EXPECT_EQ(state("amber"), "stopped");
    sandboxes->start("amber", told());
    EXPECT_EQ(code, EBUSY);
    windows.let_close();
    engine.turn();
    sandboxes->start("amber", told());
    engine.let_all();
    EXPECT_EQ(result, "running");

    Status removed = fail("not yet");
    sandboxes->remove("amber", Sandboxes::Removal::always,
                      [&](const Status& done) { removed = done; });
    engine.let_all();
    EXPECT_FALSE(removed);
    EXPECT_EQ(exec("amber"), "waits");
    windows.let_close();
    engine.turn();
    EXPECT_TRUE(removed);
    EXPECT_EQ(result, "there is no sandbox 'amber'");
    create("amber", 0, {"one"});
}

TEST_F(SandboxesTest, resume_that_fails_keeps_the_snapshot) {
    create("amber");
    hibernate("amber");
    sandboxes->resume("amber", told());
    engine.let(fail("no memory"));
    engine.turn();
    EXPECT_EQ(result, "no memory");
    EXPECT_EQ(state("amber"), "hibernated");
    EXPECT_TRUE(has_file("amber/snapshot-1"));
    EXPECT_EQ(exec("amber"), "waits");
    engine.let(fail("no memory still"));
    EXPECT_EQ(result, "no memory still");
}

TEST_F(SandboxesTest, idle_one_hibernates_and_a_command_keeps_it_awake) {
    create("amber", 60);
    ASSERT_EQ(exec("amber"), "stream");
    pass(3600s);
    EXPECT_EQ(state("amber"), "running");
    commands.back().end("");
    pass(59s);
    EXPECT_TRUE(engine.pending.empty());
    pass(2s);
    engine.let_all();
    EXPECT_EQ(state("amber"), "hibernated");
    EXPECT_EQ(exec("amber"), "waits");
    engine.let_all();
    EXPECT_EQ(result, "stream");
}

TEST_F(SandboxesTest, streams_of_an_earlier_supervisor_keep_it_awake) {
    create("amber", 60);
    restart();
    engine.find("amber")->streams = 1;
    pass(61s);
    EXPECT_TRUE(engine.pending.empty());
    engine.find("amber")->streams = 0;
    pass(61s);
    engine.let_all();
    EXPECT_EQ(state("amber"), "hibernated");
}

TEST_F(SandboxesTest, running_one_is_adopted_after_a_restart) {
    create("amber");
    restart();
    EXPECT_EQ(state("amber"), "running");
    EXPECT_EQ(sandboxes->find("amber")->record.adoptions, 1U);
    EXPECT_EQ(exec("amber"), "stream");
}

TEST_F(SandboxesTest, paused_one_stays_paused_after_a_restart) {
    create("amber");
    sandboxes->pause("amber", told());
    engine.let_all();
    restart();
    EXPECT_EQ(state("amber"), "paused");
    EXPECT_EQ(engine.log.back(), "pause amber");
}

TEST_F(SandboxesTest, one_whose_vm_is_gone_is_stopped_after_a_restart) {
    create("amber");
    keeping.held.clear();
    restart();
    EXPECT_EQ(state("amber"), "stopped");
    EXPECT_NE(sandboxes->find("amber")->record.reason, "");
}

TEST_F(SandboxesTest, kept_vm_without_a_record_is_dropped) {
    const OwnFd file = sys::memfd("file", 0).value();
    ASSERT_TRUE(keeping.hold("nobody", {{"control", file.get()}}));
    restart();
    EXPECT_TRUE(keeping.held.empty());
}

TEST_F(SandboxesTest, forks_are_named_numbered_and_all_there) {
    create("amber");
    create("amber-2");
    std::vector<SandboxView> made;
    sandboxes->fork("amber", 3, [&](Result<std::vector<SandboxView>> views) {
        made = views ? *views : std::vector<SandboxView>();
    });
    engine.let_all();
    ASSERT_EQ(made.size(), 3U);
    EXPECT_EQ(made[0].record.name, "amber-1");
    EXPECT_EQ(made[1].record.name, "amber-3");
    EXPECT_EQ(made[2].record.name, "amber-4");
    EXPECT_EQ(made[0].record.parent, "amber");
    EXPECT_NE(made[0].record.id, made[1].record.id);
    EXPECT_EQ(exec("amber-4"), "stream");
    restart();
    for (const char* name : {"amber", "amber-1", "amber-3", "amber-4"}) {
        EXPECT_EQ(state(name), "running") << name;
    }
}

TEST_F(SandboxesTest, forks_become_the_shells_that_wait_for_machines_of_their_shape) {
    create("amber");
    const Record source = sandboxes->find("amber")->record;
    TemplateInfo& other = engine.templates["other"] = engine.templates["python"];
    other.name = "other";
    other.memory_bytes = source.memory_bytes * 2;
    TemplateInfo& same = engine.templates["same"] = engine.templates["python"];
    same.name = "same";
    same.cpus = source.cpus;
    same.memory_bytes = source.memory_bytes;
    same.disk_bytes = source.disk_bytes;
    for (const char* name : {"other", "same"}) {
        ASSERT_TRUE(pools->set(name, {0, 2}));
    }
    pass(Pools::kQuiet + std::chrono::milliseconds(1));  // after the creation
    engine.let_all();
    std::vector<SandboxView> made;
    sandboxes->fork("amber", 3, [&](Result<std::vector<SandboxView>> views) {
        made = views ? *views : std::vector<SandboxView>();
    });
    engine.turn();
    EXPECT_EQ(engine.pending.size(), 1U) << "a shell is made while the fork is under way";
    engine.let_all();
    ASSERT_EQ(made.size(), 3U);
    EXPECT_EQ(made[0].record.start, "shell");
    EXPECT_EQ(made[1].record.start, "shell");
    EXPECT_EQ(made[2].record.start, "restore");
    EXPECT_EQ(pools->find("other")->claimed, 0U);
    EXPECT_EQ(pools->find("same")->claimed, 2U);
}

TEST_F(SandboxesTest, fork_that_is_refused_leaves_the_source_alone) {
    create("amber");
    sandboxes->fork("amber", kMaxForks + 1, [this](const Result<std::vector<SandboxView>>& made) {
        code = made ? 0 : made.error().code;
    });
    EXPECT_EQ(code, EINVAL);
    sandboxes->fork("amber", 2, [this](const Result<std::vector<SandboxView>>& made) {
        result = made ? "made" : made.error().message;
    });
    engine.let(fail("no memory"));
    engine.turn();
    EXPECT_EQ(result, "no memory");
    EXPECT_EQ(state("amber"), "running");
    EXPECT_EQ(state("amber-1"), "none");
    EXPECT_FALSE(has_file("amber-1"));
}

// Whatever step a fork stops at, a restart finds all of its children or none.
TEST_F(SandboxesTest, fork_that_stops_anywhere_is_whole_or_nothing) {
    for (size_t step = 0; step < 40; ++step) {
        create("amber");
        steps.fail_from(step);
        bool told_done = false;
        sandboxes->fork("amber", 2, [&](const Result<std::vector<SandboxView>>& made) {
            told_done = made.has_value();
        });
        engine.let_all();
        steps.work();
        restart();
        const bool first = state("amber-1") == "running";
        const bool second = state("amber-2") == "running";
        EXPECT_EQ(first, second) << step;
        EXPECT_TRUE(!told_done || first) << step << ": a completed fork was lost";
        EXPECT_EQ(state("amber"), "running") << step;
        for (const char* name : {"amber-1", "amber-2", "amber"}) {
            sandboxes->remove(name, Sandboxes::Removal::always, [](const Status&) {});
            engine.let_all();
        }
    }
}

// The same for a hibernation and the way back.
TEST_F(SandboxesTest, hibernation_that_stops_anywhere_leaves_before_or_after) {
    for (size_t step = 0; step < 30; ++step) {
        create("amber");
        steps.fail_from(step);
        bool hibernated = false;
        sandboxes->hibernate(
            "amber", [&](const Result<SandboxView>& view) { hibernated = view.has_value(); });
        engine.let_all();
        steps.work();
        restart();
        const std::string after = state("amber");
        EXPECT_TRUE(after == "hibernated" || (after == "running" && !hibernated))
            << step << " " << after;
        if (after == "hibernated") {
            EXPECT_TRUE(has_file("amber/snapshot-1")) << step;
            steps.fail_from(step);
            sandboxes->resume("amber", told());
            engine.let_all();
            steps.work();
            restart();
            EXPECT_TRUE(state("amber") == "running" ||
                        (state("amber") == "hibernated" && has_file("amber/snapshot-1")))
                << step << " " << state("amber");
        }
        sandboxes->remove("amber", Sandboxes::Removal::always, [](const Status&) {});
        engine.let_all();
    }
}

TEST_F(SandboxesTest, commands_wait_for_what_is_under_way) {
    create("amber");
    sandboxes->pause("amber", told());
    EXPECT_EQ(exec("amber"), "waits");
    engine.let_all();
    EXPECT_EQ(result, "stream");
    EXPECT_EQ(state("amber"), "running");
}

TEST_F(SandboxesTest, all_are_stopped_when_the_service_is_to_stop_them) {
    create("amber");
    create("birch");
    bool done = false;
    sandboxes->stop_all([&] { done = true; });
    EXPECT_FALSE(done);
    engine.let_all();
    EXPECT_TRUE(done);
    EXPECT_EQ(state("amber"), "stopped");
    EXPECT_EQ(state("birch"), "stopped");
}

}  // namespace
}  // namespace anchorhold::service
