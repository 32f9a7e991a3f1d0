use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn limiter(per_minute: usize, per_hour: usize) -> Arc<Limiter> {
    Limiter::new(Options { per_minute, per_hour, ..Options::default() })
}

async fn send(limiter: &Arc<Limiter>, headers: RateLimitHeaders) {
    limiter.acquire(Duration::MAX / 4).await.unwrap().headers_received(headers);
}

#[tokio::test(start_paused = true)]
async fn a_request_waits_until_the_first_one_leaves_a_full_minute() {
    let limiter = limiter(3, 100);
    let start = Instant::now();
    for _ in 0..3 {
        send(&limiter, RateLimitHeaders::default()).await;
        tokio::time::advance(SECOND).await;
    }

    send(&limiter, RateLimitHeaders::default()).await;

    assert_eq!((Instant::now() - start).as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn a_request_in_flight_counts_until_a_minute_after_its_answer() {
    let limiter = limiter(1, 100);
    let start = Instant::now();
    let mut slow = limiter.acquire(SECOND).await.unwrap();
    tokio::time::advance(10 * SECOND).await;
    slow.headers_received(RateLimitHeaders::default());

    send(&limiter, RateLimitHeaders::default()).await;

    assert_eq!((Instant::now() - start).as_secs(), 70);
}

#[tokio::test(start_paused = true)]
async fn the_hour_applies_when_the_minute_has_room() {
    let limiter = limiter(2, 3);
    let start = Instant::now();
    for _ in 0..4 {
        send(&limiter, RateLimitHeaders::default()).await;
    }

    assert_eq!((Instant::now() - start).as_secs(), 3_600);
}

#[tokio::test(start_paused = true)]
async fn a_request_beyond_max_wait_fails_at_once_with_the_wait() {
    let limiter = limiter(1, 100);
    send(&limiter, RateLimitHeaders::default()).await;
    tokio::time::advance(20 * SECOND).await;

    let too_long = limiter.acquire(39 * SECOND).await.unwrap_err();

    assert_eq!(too_long.wait, 40 * SECOND);
    assert!(limiter.acquire(40 * SECOND).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn the_projected_wait_includes_the_requests_ahead_in_the_queue() {
    let limiter = limiter(2, 100);
    let mut queue: Vec<_> = (0..5).map(|_| Box::pin(limiter.acquire(600 * SECOND))).collect();
    for waiting in &mut queue {
        let _ = futures::poll!(waiting);
    }

    let too_long = limiter.acquire(100 * SECOND).await.unwrap_err();

    assert_eq!(too_long.wait, 120 * SECOND, "two a minute: the sixth comes after two minutes");
}

#[tokio::test(start_paused = true)]
async fn usage_by_other_clients_is_taken_from_the_headers() {
    let limiter = limiter(250, 5_000);
    let start = Instant::now();
    let headers = RateLimitHeaders {
        limit: Some(5_000),
        remaining: Some(0),
        reset: Some(30 * SECOND),
        ..RateLimitHeaders::default()
    };
    send(&limiter, headers).await;

    send(&limiter, headers).await;

    assert_eq!((Instant::now() - start).as_secs(), 30);
}

#[tokio::test(start_paused = true)]
async fn the_lower_of_the_configured_and_the_reported_hourly_limit_applies() {
    async fn sent_at_once(limiter: &Arc<Limiter>, limit: usize) -> usize {
        tokio::time::advance(Duration::from_secs(3_600)).await;
        let mut sent = 0;
        while let Ok(mut permit) = limiter.acquire(SECOND).await {
            permit.headers_received(RateLimitHeaders { limit: Some(limit), ..RateLimitHeaders::default() });
            sent += 1;
        }
        sent
    }
    let limiter = limiter(250, 3);

    assert_eq!(sent_at_once(&limiter, 5_000).await, 3, "the setting is not raised");
    assert_eq!(sent_at_once(&limiter, 2).await, 2);
    assert_eq!(sent_at_once(&limiter, 5_000).await, 3, "the first answer says so");
}

#[tokio::test(start_paused = true)]
async fn a_reset_in_the_past_lets_one_request_through_at_a_time() {
    let limiter = limiter(250, 5_000);
    let headers = RateLimitHeaders { remaining: Some(0), ..RateLimitHeaders::default() };
    send(&limiter, headers).await;

    let mut probe = limiter.acquire(SECOND).await.unwrap();
    let mut second = Box::pin(limiter.acquire(SECOND));

    assert!(futures::poll!(&mut second).is_pending());
    probe.headers_received(RateLimitHeaders { remaining: Some(10), ..headers });
    assert!(second.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn requests_in_flight_do_not_make_the_budget_look_used_up() {
    let limiter = limiter(250, 5_000);
    let mut first = limiter.acquire(SECOND).await.unwrap();
    let mut others: Vec<_> = Vec::new();
    for _ in 0..12 {
        others.push(limiter.acquire(SECOND).await.unwrap());
    }
    first.headers_received(RateLimitHeaders {
        remaining: Some(10),
        reset: Some(3_000 * SECOND),
        ..RateLimitHeaders::default()
    });

    let mut waiting = Box::pin(limiter.acquire(SECOND));
    assert!(futures::poll!(&mut waiting).is_pending(), "no refusal before the others are answered");
    for mut other in others {
        other.headers_received(RateLimitHeaders {
            remaining: Some(10),
            reset: Some(3_000 * SECOND),
            ..RateLimitHeaders::default()
        });
    }

    assert!(waiting.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_failed_connection_uses_no_place() {
    let limiter = limiter(1, 100);
    limiter.acquire(SECOND).await.unwrap().not_sent();

    assert!(limiter.acquire(SECOND).await.is_ok());
}

fn pause(seconds: u64) -> RateLimitHeaders {
    RateLimitHeaders { pause: Some(Duration::from_secs(seconds)), ..RateLimitHeaders::default() }
}

const ACCEPTED: RateLimitHeaders =
    RateLimitHeaders { accepted: true, pause: None, limit: None, remaining: None, reset: None };

#[tokio::test(start_paused = true)]
async fn a_pause_applies_to_all_requests() {
    let limiter = limiter(250, 5_000);
    let start = Instant::now();
    send(&limiter, pause(7)).await;

    send(&limiter, RateLimitHeaders::default()).await;

    assert_eq!((Instant::now() - start).as_secs(), 7);
    send(&limiter, pause(90)).await;
    assert_eq!(limiter.acquire(60 * SECOND).await.unwrap_err().wait, 90 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_pause_of_a_day_is_bounded_and_then_tested_with_one_request_at_a_time() {
    let limiter = limiter(250, 5_000);
    let start = Instant::now();
    assert_eq!(limiter.acquire(SECOND).await.unwrap().headers_received(pause(86_400)).pause, Some(300 * SECOND));

    let mut probe = limiter.acquire(600 * SECOND).await.unwrap();
    assert_eq!((Instant::now() - start).as_secs(), 300);
    let mut second = Box::pin(limiter.acquire(600 * SECOND));
    assert!(futures::poll!(&mut second).is_pending(), "before the first is answered");
    probe.headers_received(pause(86_400));
    let mut second = second.await.unwrap();
    assert_eq!((Instant::now() - start).as_secs(), 600, "it is still too_long");

    second.headers_received(ACCEPTED);
    let all: Vec<_> = [limiter.acquire(SECOND).await, limiter.acquire(SECOND).await].into_iter().collect();
    assert!(all.iter().all(Result::is_ok), "it is over");
}

#[tokio::test(start_paused = true)]
async fn a_response_that_arrives_during_a_pause_does_not_end_it() {
    let limiter = limiter(250, 5_000);
    let (mut first, mut second) = (limiter.acquire(SECOND).await.unwrap(), limiter.acquire(SECOND).await.unwrap());

    first.headers_received(pause(7));
    second.headers_received(ACCEPTED);

    assert_eq!(limiter.acquire(SECOND).await.unwrap_err().wait, 7 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn a_low_limit_or_a_far_reset_is_tested_again_after_max_pause() {
    let one = RateLimitHeaders { limit: Some(1), ..ACCEPTED };
    let far = RateLimitHeaders { remaining: Some(0), reset: Some(3_600 * SECOND), ..ACCEPTED };
    for headers in [one, far] {
        let limiter = limiter(250, 5_000);
        let start = Instant::now();
        send(&limiter, headers).await;
        assert_eq!(limiter.acquire(60 * SECOND).await.unwrap_err().wait, 300 * SECOND, "{headers:?}");

        let mut probe = limiter.acquire(600 * SECOND).await.unwrap();
        assert_eq!((Instant::now() - start).as_secs(), 300, "{headers:?}");
        let mut second = Box::pin(limiter.acquire(600 * SECOND));
        assert!(futures::poll!(&mut second).is_pending(), "{headers:?}: before the first is answered");
        probe.headers_received(RateLimitHeaders { limit: Some(5_000), remaining: Some(4_000), ..ACCEPTED });

        assert!(second.await.is_ok());
        assert!(limiter.acquire(SECOND).await.is_ok(), "{headers:?}: it is over");
        assert_eq!((Instant::now() - start).as_secs(), 300, "{headers:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dropped_request_releases_its_permit_and_its_place_in_the_queue() {
    let limiter = Limiter::new(Options { in_flight: 1, ..Options::default() });
    let held = limiter.acquire(SECOND).await.unwrap();
    let mut waiting = Box::pin(limiter.acquire(SECOND));
    assert!(futures::poll!(&mut waiting).is_pending());

    drop(waiting);
    drop(held);

    assert_eq!(limiter.waiting.load(Ordering::SeqCst), 0);
    assert!(limiter.acquire(SECOND).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_permit_is_held_until_it_is_dropped_and_not_until_the_headers() {
    let limiter = Limiter::new(Options { in_flight: 2, ..Options::default() });
    let (mut first, second) = (limiter.acquire(SECOND).await.unwrap(), limiter.acquire(SECOND).await.unwrap());
    let mut third = Box::pin(limiter.acquire(SECOND));
    first.headers_received(ACCEPTED);
    assert!(futures::poll!(&mut third).is_pending(), "the first one's body is still being read");

    drop(second);

    assert!(third.await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_tightened_budget_counts_earlier_requests() {
    let limiter = Limiter::new(Options::unlimited(16));
    let start = Instant::now();
    for _ in 0..3 {
        send(&limiter, ACCEPTED).await;
    }

    limiter.tighten(&Options { per_minute: 3, ..Options::default() });
    limiter.tighten(&Options { per_minute: 100, ..Options::default() });
    send(&limiter, ACCEPTED).await;

    assert_eq!((Instant::now() - start).as_secs(), 60);
}

#[tokio::test(start_paused = true)]
async fn after_in_flight_is_lowered_requests_wait_until_enough_permits_are_released() {
    let limiter = Limiter::new(Options { in_flight: 3, ..Options::default() });
    let mut permits = Vec::new();
    for _ in 0..3 {
        permits.push(limiter.acquire(SECOND).await.unwrap());
    }

    limiter.tighten(&Options { in_flight: 2, ..Options::default() });
    let mut next = Box::pin(limiter.acquire(SECOND));

    permits.pop();
    assert!(futures::poll!(&mut next).is_pending(), "two are on their way");
    permits.pop();
    assert!(next.await.is_ok());
}

#[test]
fn the_stricter_of_two_limits_is_chosen_for_each_setting() {
    let (second, minute) = (SECOND, 60 * SECOND);
    let one = Options { in_flight: 1, per_minute: 9, minute, per_hour: 9, hour: minute, max_pause: second };
    let other = Options { in_flight: 9, per_minute: 1, minute: second, per_hour: 1, hour: second, max_pause: minute };

    for stricter in [one.stricter(&other), other.stricter(&one)] {
        assert_eq!((stricter.in_flight, stricter.per_minute, stricter.per_hour), (1, 1, 1));
        assert_eq!((stricter.minute, stricter.hour, stricter.max_pause), (minute, minute, minute));
    }
}
