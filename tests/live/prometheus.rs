//! A real Prometheus with the chart's own rules scrapes real daemons, and each of its alerts is seen to fire and to rest
//! again, by states that are brought about for real. The list of alerts is the chart's: a new one without a state fails.

mod dashboard;
mod page;
mod rules;
mod scene;
mod server;
mod states;

use std::time::Instant;

use page::Page;
use scene::{Scene, Seen};
use server::{Prometheus, Target};

/// Alerts that cannot be brought about here, with the reason.
const NOT_PRODUCED: &[(&str, &str)] = &[];

#[test]
fn every_alert_of_the_chart_fires_and_rests_in_a_real_prometheus() {
    let Some(program) = server::program() else {
        println!("SKIP prometheus is not here: no alert was seen");
        return;
    };
    let began = Instant::now();
    let seen = Seen::default();
    let named: Vec<(&str, Vec<u16>)> = states::ALL.iter().map(|state| (state.name, scene::ports(state.pods))).collect();
    let targets = targets(&named);
    let page = Page::wanted();
    let (prometheus, _running) = Prometheus::start(&program, &targets, page.as_ref().map(Page::parts));
    prometheus.until_it_scrapes(targets.len());
    let scene = |(name, ports): &(&'static str, Vec<u16>)| Scene::new(name, ports.clone(), &prometheus, &seen);
    let nobody = Scene::new("no process at all", vec![], &prometheus, &seen);
    let picture = |name: &str, alert| page.iter().for_each(|page| page.shoot(&prometheus, name, alert));
    nobody.fires("ForgetdAbsent");
    picture("alerts-firing", ("ForgetdAbsent", 1));
    std::thread::scope(|scope| {
        let running: Vec<_> = states::ALL
            .iter()
            .zip(&named)
            .map(|(state, named)| scope.spawn(move || (state.play)(&scene(named))))
            .collect();
        nobody.rests("ForgetdAbsent");
        picture("alerts-resolved", ("ForgetdAbsent", 0));
        for state in running {
            state.join().expect("a state panicked");
        }
    });
    prometheus.assert_rules_are_well();
    assert_went_through_pending(&prometheus);
    let shown = dashboard::look(&prometheus);
    report(&seen);
    println!("note: {shown}");
    println!("note: {}", rules::said());
    println!("note: {} s", began.elapsed().as_secs());
}

fn targets(named: &[(&str, Vec<u16>)]) -> Vec<Target> {
    let pods = |(name, ports): &(&str, Vec<u16>)| {
        let job = scene::job(name);
        let target = |(pod, port): (usize, &u16)| Target { job: job.clone(), pod: format!("pod-{pod}"), port: *port };
        ports.iter().enumerate().map(target).collect::<Vec<_>>()
    };
    named.iter().flat_map(pods).collect()
}

/// Prometheus remembers: whoever has to wait before it fires did.
fn assert_went_through_pending(prometheus: &Prometheus) {
    for alert in rules::alerts().iter().filter(|alert| alert.waits && !is_excused(&alert.name)) {
        let pending = format!("count_over_time(ALERTS{{alertname=\"{}\",alertstate=\"pending\"}}[1h])", alert.name);
        assert!(!prometheus.ask(&pending).is_empty(), "{} was never pending", alert.name);
    }
}

fn is_excused(alert: &str) -> bool {
    NOT_PRODUCED.iter().any(|(excused, _)| *excused == alert)
}

/// Says what was seen, and fails for what was not.
fn report(seen: &Seen) {
    let alerts = rules::alerts();
    let (lives, mut wrong) = (seen.lives(), vec![]);
    let whole = alerts.iter().filter(|alert| lives.get(&alert.name).is_some_and(|life| life.rested)).count();
    println!("note: alerts seen firing and resolved: {whole}/{}", alerts.len());
    for alert in &alerts {
        let excuse = NOT_PRODUCED.iter().find(|(name, _)| *name == alert.name);
        match (lives.get(&alert.name), excuse) {
            (Some(life), None) if life.rested => println!("note:   {}: {}", alert.name, life.by.join(", ")),
            (None, Some((_, why))) => println!("note:   {}: NOT PRODUCED: {why}", alert.name),
            (Some(_), None) => wrong.push(format!("{} fired and did not rest", alert.name)),
            (Some(_), Some(_)) => wrong.push(format!("{} is excused, and fired all the same", alert.name)),
            (None, None) => wrong
                .push(format!("{} is in the chart, and no state of tests/live/prometheus makes it fire", alert.name)),
        }
    }
    let unknown = lives.keys().filter(|name| alerts.iter().all(|alert| alert.name != **name));
    wrong.extend(unknown.map(|name| format!("{name} is not in the chart")));
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}
