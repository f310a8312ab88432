//! What this process is: a program that prints something, rank 0, or another rank.
//!
//! A rank never just returns: with the others waiting for it, the job would hang. Whatever goes
//! wrong in one, a panic too, ends here, is told, and ends them all.

use std::io::{self, IsTerminal, Write};
use std::panic::AssertUnwindSafe;
#[cfg(feature = "mpi")]
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

mod readers;

use clap::CommandFactory;

use crate::cli::{Cli, Command, DoctorArgs, HostsArgs, RunArgs, SweepArgs};
use crate::doctor::{self, Form, Request};
#[cfg(not(feature = "mpi"))]
use crate::error::UsageError;
use crate::error::{BugError, Error, HostError, exit, panic_text, printed};
#[cfg(feature = "mpi")]
use crate::error::{tell, with_causes};
#[cfg(feature = "mpi")]
use crate::events::logger;
use crate::host::Facts;
use crate::host_list::{self, WatchForm};
use crate::launch::sweep::{Sweep, sweep_here};
use crate::launch::{self, tied};
use crate::op_list;
use crate::ops::Simd;
use crate::plan::Job;
use crate::rank0::{self, Desk};
use crate::scaling;
use crate::settings::{LaunchSettings, PlanSettings, RunSettings};
#[cfg(feature = "mpi")]
use crate::transport::message::{Message, ToRank0};
#[cfg(feature = "mpi")]
use crate::transport::mpi::MpiWorld;
use crate::transport::{Hub, Launch, Mailbox, RankLink};
use crate::verify;
use crate::worker_rank;

/// Time that the first rank has to tell a mistake before another does.
const FIRST_SPEAKS: Duration = Duration::from_secs(2);

/// Does what the command line says. Returns the exit code.
///
/// # Errors
/// When it cannot be done.
pub fn play(cli: Cli) -> Result<u8, Error> {
    match cli.command {
        Command::Run(args) => run(*args),
        Command::Verify(args) => {
            let findings = verify::verify(&args.output)?;
            print(|out| findings.print(out))?;
            Ok(findings.exit_code())
        }
        Command::Status(args) => readers::status(&args),
        Command::Logs(args) => readers::logs(&args),
        Command::Report(args) => readers::report(&args),
        Command::Doctor(args) => doctor(args),
        Command::Hosts(args) => hosts(args),
        Command::Host(args) => {
            let facts = Facts::of_this_host(Simd::detect().to_string());
            print(|out| facts.print(args.json, out))
        }
        Command::Sweep(args) => sweep(args),
        Command::Launch(args) => launch::launch(LaunchSettings::new(args)?),
        Command::Plan(args) => {
            let plan = scaling::plan(&PlanSettings::new(args)?)?;
            print(|out| plan.print(out))?;
            Ok(plan.exit_code())
        }
        Command::Tied(args) => {
            Err(HostError::NoMpirun(tied::become_tied(args.parent, &args.command)).into())
        }
        Command::Ops(args) => print(|out| op_list::print(args.json, out)),
        Command::Completions(args) => print(|out| {
            clap_complete::generate(args.shell, &mut Cli::command(), "mpix", out);
            Ok(())
        }),
    }
}

/// Says what is wrong with the command line, or shows the help that it asks for. Returns the exit
/// code.
#[must_use]
pub fn say(answer: &clap::Error) -> u8 {
    let wrong = answer.use_stderr();
    if wrong {
        let_the_first_speak();
    }
    if wrong || !is_other_rank() {
        // A reader that has gone away has what it wanted.
        let _ = answer.print();
    }
    if wrong { exit::USAGE } else { exit::DONE }
}

/// Whether a launcher started this process beside a first one, which speaks for all.
fn is_other_rank() -> bool {
    Launch::of_this_process().is_some_and(|launch| launch.rank > 0)
}

/// Waits, in all ranks but the first, so that of a mistake that all of them see, one tells.
///
/// The launcher ends the job with the first rank that fails. A rank that is still there after the
/// wait is alone with its mistake, as when its host's environment holds another value, and tells it.
fn let_the_first_speak() {
    if is_other_rank() {
        std::thread::sleep(FIRST_SPEAKS);
    }
}

fn print(write: impl FnOnce(&mut Vec<u8>) -> io::Result<()>) -> Result<u8, Error> {
    if is_other_rank() {
        return Ok(exit::DONE);
    }
    let mut text = Vec::new();
    printed(write(&mut text).and_then(|()| io::stdout().lock().write_all(&text)))?;
    Ok(exit::DONE)
}

/// The first rank looks and tells; the others are there to be counted by mpirun only.
fn doctor(args: DoctorArgs) -> Result<u8, Error> {
    if is_other_rank() {
        return Ok(exit::DONE);
    }
    let timeout = Duration::from_secs(args.timeout);
    let request = Request { hostfile: args.hostfile, output: args.output, timeout };
    let diagnosis = doctor::examine(&request)?;
    let colours = colours();
    let form = if args.json { Form::Json } else { Form::Text { colours, all: args.verbose } };
    print(|out| diagnosis.print(form, out))?;
    Ok(diagnosis.exit_code())
}

/// Whether standard output shows colours.
fn colours() -> bool {
    // mpirun gives ranks a terminal, and copies what they write there to what may be none.
    let choice = anstream::AutoStream::choice(&io::stdout());
    choice != anstream::ColorChoice::Never && Launch::of_this_process().is_none()
}

fn hosts(args: HostsArgs) -> Result<u8, Error> {
    if is_other_rank() {
        return Ok(exit::DONE);
    }
    let timeout = Duration::from_secs(args.timeout);
    let request = host_list::Request { hostfile: args.hostfile, timeout };
    if args.watch {
        let is_screen = io::stdout().is_terminal()
            && Launch::of_this_process().is_none()
            && std::env::var_os("TERM").is_some_and(|terminal| terminal != "dumb");
        let form = match (args.json, is_screen) {
            (true, _) => WatchForm::Json,
            (false, true) => WatchForm::Screen { colours: colours() },
            (false, false) => WatchForm::Changes,
        };
        return host_list::watch(&request, form, &mut io::stdout().lock());
    }
    let look = host_list::look(&request)?;
    print(|out| if args.json { look.print_json(out) } else { look.print_table(colours(), out) })?;
    Ok(look.exit_code())
}

fn sweep(args: SweepArgs) -> Result<u8, Error> {
    let swept = sweep_here(&Sweep { launch: args.launch, below: args.below });
    print(|out| swept.print(args.json, out))?;
    Ok(if swept.left.is_empty() { exit::DONE } else { exit::SOME_FAILED })
}

#[cfg(not(feature = "mpi"))]
fn run(args: RunArgs) -> Result<u8, Error> {
    if let Some(launch) = Launch::of_this_process().filter(|launch| launch.ranks > 1) {
        let_the_first_speak();
        return Err(UsageError::NoMpi { launched: launch.ranks }.into());
    }
    alone(args)
}

#[cfg(feature = "mpi")]
fn run(args: RunArgs) -> Result<u8, Error> {
    let Some(launch) = Launch::of_this_process() else { return alone(args) };
    let settings = RunSettings::new(args).inspect_err(|_| let_the_first_speak())?;
    let world = MpiWorld::start(launch).inspect_err(|_| let_the_first_speak())?;
    let rank = world.rank();
    let part = || if rank == 0 { first_of(&world, settings) } else { other_of(&world) };
    match guard(rank, part) {
        // Rank 0 has told the others to stop: MPI can end in peace.
        Err(error) if rank == 0 && !error.leaves_ranks_waiting() => Err(error),
        Err(error) => {
            tell(&format!("mpix: rank {rank} ends the run: {}", with_causes(&error)));
            world.abort(error.exit_code())
        }
        done => done,
    }
}

/// Runs a rank's part; a panic in it becomes an error.
fn guard<T>(rank: usize, part: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    std::panic::catch_unwind(AssertUnwindSafe(part)).unwrap_or_else(|panic| {
        let (work, panic) = ("messages".to_owned(), panic_text(panic.as_ref()));
        Err(BugError::Panic { rank, work, panic }.into())
    })
}

#[cfg(feature = "mpi")]
fn first_of(world: &MpiWorld, settings: RunSettings) -> Result<u8, Error> {
    rank0_with(settings, |own| Hub::mpi(own, world.link()))
}

#[cfg(feature = "mpi")]
fn other_of(world: &MpiWorld) -> Result<u8, Error> {
    leave_signals_to_rank0();
    let (answers, own) = channel();
    let to_rank0 = answers.clone();
    logger::pass_on(move |level, text| {
        let message = Message::bare(ToRank0::Log { level, text });
        // A rank that has ended has nothing to add.
        let _ = to_rank0.send(worker_rank::Event::Answer(message));
    });
    let link: RankLink<rank0::Event> = RankLink::Mpi(world.link());
    worker_rank::run(link, &own, &answers)?;
    Ok(exit::DONE)
}

/// mpirun passes signals on to all ranks: rank 0 decides what they mean.
#[cfg(feature = "mpi")]
fn leave_signals_to_rank0() {
    use signal_hook::consts::{SIGINT, SIGTERM, SIGUSR1};
    for signal in [SIGINT, SIGTERM, SIGUSR1] {
        // Without a handler the signal ends this rank, and with it the run: nothing is lost.
        let _ = signal_hook::flag::register(signal, Arc::default());
    }
}

fn alone(args: RunArgs) -> Result<u8, Error> {
    let settings = RunSettings::new(args)?;
    guard(0, || rank0_with(settings, |own| Hub::local(vec![own])))
}

/// Runs rank 0: its desk on this thread, its own worker on another.
fn rank0_with(
    settings: RunSettings,
    links: impl FnOnce(Mailbox<worker_rank::Event>) -> Hub<worker_rank::Event>,
) -> Result<u8, Error> {
    let (to_events, events) = channel();
    let (to_worker, worker_events) = channel();
    let answers = to_worker.clone();
    let (desk, broken) = (Mailbox::new(to_events.clone()), to_events.clone());
    let worker = std::thread::spawn(move || {
        let link = RankLink::Local { rank: 0, rank0: desk };
        let ended = guard(0, || worker_rank::run(link, &worker_events, &answers));
        if let Err(error) = ended {
            // Without a desk there is nobody to tell: the run has ended.
            let _ = broken.send(rank0::Event::Broken(error));
        }
    });
    let hub = links(Mailbox::new(to_worker));
    let outcome = rank0::run(Job::new(settings), Desk::new(hub, (to_events, events)));
    if !outcome.as_ref().is_err_and(Error::leaves_ranks_waiting) {
        let _ = worker.join();
    }
    outcome
}
