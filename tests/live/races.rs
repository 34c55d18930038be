//! An application goes on while a purge runs: what it places at the very moment counts.

use std::sync::{Arc, Barrier};
use std::thread::JoinHandle;

use crate::harness::{Database, Policy, Postgres, Program, Rule, Session, full, until};

/// Customers of a round who look inactive, and threads of the application.
const CUSTOMERS: usize = 600;
const THREADS: usize = 3;

/// How the application makes sure that an order has a customer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guard {
    /// A foreign key: an order of a customer who is gone fails.
    Key,
    /// A foreign key that takes the orders with the customer.
    Cascade,
    /// A foreign key that would set the reference; a rule keeps the orders as they are.
    Kept,
    /// No key; the application locks the customer before it places the order.
    Lock,
}

/// What one thread of the application did.
#[derive(Debug, Default)]
struct Placed {
    /// Customers whose order was committed.
    orders: Vec<usize>,
    /// Orders that were refused, because the customer was gone.
    refused: usize,
}

fn create(database: &Postgres, guard: Guard) {
    let key = match guard {
        Guard::Key => "references customer",
        Guard::Cascade => "references customer on delete cascade",
        Guard::Kept => "references customer on delete set null",
        Guard::Lock => "",
    };
    database.exec(&format!(
        "create table customer (id int primary key, created_at timestamptz not null, name text);
         create table placed (id bigserial primary key, customer_id int {key}, placed_at timestamptz not null);
         create index on placed (customer_id, placed_at);"
    ));
}

fn policy(database: &Postgres, guard: Guard) -> Policy {
    let latest = "{ latest: { table: public.placed, column: placed_at, on: { customer_id: id } }, or: created_at }";
    let since = if guard == Guard::Kept { "created_at" } else { latest };
    let customers = Rule::delete("customers", "public.customer", since);
    let orders = Rule::delete("orders", "public.placed", "placed_at");
    let policy = Policy::new(&database.url()).with("throttle: { batch_rows_max: 5 }").rule(&customers);
    match guard {
        Guard::Cascade => policy.rule(&orders),
        Guard::Kept => policy.rule(&Rule::keep("orders", "public.placed", "placed_at", "1y")),
        Guard::Key | Guard::Lock => policy,
    }
}

/// Places one order for each of these customers, as fast as it can.
fn application(url: String, guard: Guard, customers: Vec<usize>, start: Arc<Barrier>) -> JoinHandle<Placed> {
    std::thread::spawn(move || {
        let session = Session::open(&url);
        let mut placed = Placed::default();
        start.wait();
        for (n, customer) in customers.into_iter().enumerate() {
            let order = format!("insert into placed (customer_id, placed_at) values ({customer}, now())");
            let touch = format!("update customer set name = 'x' where id = {customer}");
            let done = match (guard, n % 3) {
                (Guard::Lock, _) => {
                    let lock = format!(
                        "begin; do $$ begin perform from customer where id = {customer} for key share; \
                         if not found then raise exception 'gone'; end if; end $$; {order}; commit"
                    );
                    session.attempt(&lock)
                }
                (_, 0) => session.attempt(&order),
                // The order is there, and the row is held, before anybody can see it.
                (_, 1) => session.attempt(&format!("begin; {order}; select pg_sleep(0.001); commit")),
                // The row lies elsewhere afterwards.
                _ => session.attempt(&format!("begin; {touch}; {order}; commit")),
            };
            match done {
                Ok(()) => placed.orders.push(customer),
                Err(error) => {
                    let code = error.code().expect("a refusal of the server").code().to_owned();
                    assert!(["23503", "P0001"].contains(&code.as_str()), "{code}");
                    session.exec("rollback");
                    placed.refused += 1;
                }
            }
        }
        placed
    })
}

/// One round: customers without an order, a purge, and an application that places orders for all of them meanwhile.
fn round(database: &Postgres, program: &Program, guard: Guard, n: usize) -> (usize, usize) {
    let first = n * CUSTOMERS * 2;
    let old =
        format!("select n, now() - interval '60 days' from generate_series({first}, {first} + {CUSTOMERS} - 1) n");
    let new = format!("select n, now() from generate_series({first} + {CUSTOMERS}, {first} + {CUSTOMERS} + 9) n");
    database.exec(&format!("insert into customer {old}; insert into customer {new}"));
    let start = Arc::new(Barrier::new(THREADS + 1));
    let threads: Vec<JoinHandle<Placed>> = (0..THREADS)
        .map(|thread| {
            // Each begins elsewhere, so that the purge meets somebody wherever it is.
            let mut customers: Vec<usize> =
                (0..CUSTOMERS).filter(|c| c % THREADS == thread).map(|c| first + c).collect();
            customers.rotate_left(CUSTOMERS / THREADS / 3 * thread);
            application(database.url(), guard, customers, Arc::clone(&start))
        })
        .collect();
    let run = program.start(&["run", "customers", "--json"]);
    let range = format!("id >= {first} and id < {first} + {CUSTOMERS}");
    let inactive = format!("select count(*) from customer where {range}");
    until("the purge begins", 60, || database.count(&inactive) < CUSTOMERS as u64);
    start.wait();
    let placed: Vec<Placed> = threads.into_iter().map(|thread| thread.join().expect("the application")).collect();
    let output = run.wait();
    assert!([0, 3].contains(&output.code), "{}: {}\n{}", output.code, output.stdout, output.stderr);
    // Whoever has an order is there, and the order is.
    let orders: Vec<usize> = placed.iter().flat_map(|placed| placed.orders.iter().copied()).collect();
    let list: Vec<String> = orders.iter().map(ToString::to_string).collect();
    let list = if list.is_empty() { "-1".into() } else { list.join(", ") };
    let there = database.count(&format!("select count(*) from customer where id in ({list})"));
    let kept = database.count(&format!("select count(*) from placed where customer_id in ({list})"));
    assert_eq!((there, kept), (orders.len() as u64, orders.len() as u64), "{guard:?}, round {n}: an order was lost");
    let orphans = database
        .count("select count(*) from placed p where not exists (select from customer c where c.id = p.customer_id)");
    assert_eq!(orphans, 0, "{guard:?}, round {n}");
    // What nobody asked for any more goes with the next run.
    program.call(&["run", "customers"]).expect(0);
    let left =
        database.count(&format!("select count(*) from customer where id >= {first} and id < {first} + {CUSTOMERS}"));
    assert_eq!(left, orders.len() as u64, "{guard:?}, round {n}");
    (orders.len(), placed.iter().map(|placed| placed.refused).sum())
}

fn race(guard: Guard) {
    let database = Postgres::database();
    create(&database, guard);
    let program = Program::installed(&policy(&database, guard));
    let rounds = if full() { 60 } else { 2 };
    let (mut placed, mut refused) = (0, 0);
    for n in 0..rounds {
        let (orders, gone) = round(&database, &program, guard, n);
        placed += orders;
        refused += gone;
    }
    // A race that one side always wins is none.
    assert!(placed > 0 && refused > 0, "{guard:?}: {placed} placed, {refused} refused");
    println!("note: {guard:?}: {} tries, {placed} orders placed, {refused} too late", rounds * CUSTOMERS);
}

#[test]
fn a_foreign_key_and_a_purge_never_both_win() {
    race(Guard::Key);
}

#[test]
fn a_cascade_takes_no_order_that_was_just_placed() {
    race(Guard::Cascade);
}

#[test]
fn an_order_that_a_rule_keeps_loses_no_customer() {
    race(Guard::Kept);
}

#[test]
fn an_application_that_locks_the_customer_needs_no_key() {
    race(Guard::Lock);
}
