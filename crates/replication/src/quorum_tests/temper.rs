//! How likely each fault is in a random walk, drawn from its seed. Called by `walk`.

/// SplitMix64 (Steele, Lea, Flood 2014): enough for a walk, and one line in a failure report.
pub struct Random(pub u64);

impl Random {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    pub fn below(&mut self, bound: usize) -> usize {
        usize::try_from(self.next() % bound.max(1) as u64).expect("below a usize")
    }

    pub fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// A weight that is zero as often as not.
    fn weight(&mut self, max: usize) -> usize {
        if self.chance(50) { 0 } else { 1 + self.below(max) }
    }
}

/// How likely what is in this walk, beside one another.
pub struct Temper {
    pub arrive: usize,
    pub sync: usize,
    pub tick: usize,
    pub pass: usize,
    pub propose: usize,
    pub barrier: usize,
    pub crash: usize,
    pub restart: usize,
    pub pause: usize,
    pub resume: usize,
    pub cut: usize,
    pub heal: usize,
    pub link: usize,
    pub checkpoint: usize,
    pub damage: usize,
    pub drift: usize,
    /// Checkpoints take long, or no longer.
    pub slow: usize,
    /// Other members are asked for; 0 where they are fixed.
    pub change: usize,
    /// Percent of the messages.
    pub loss: usize,
    pub doubling: usize,
    pub reordering: usize,
}

impl Temper {
    pub fn draw(random: &mut Random) -> Temper {
        Temper {
            arrive: 400,
            sync: 150 + random.below(150),
            tick: 5 + random.below(80),
            pass: random.weight(30),
            propose: 20 + random.below(80),
            barrier: random.weight(40),
            crash: random.weight(20),
            restart: 15 + random.below(30),
            pause: random.weight(15),
            resume: 10 + random.below(30),
            cut: random.weight(20),
            heal: 2 + random.below(25),
            link: random.weight(15),
            checkpoint: random.weight(50),
            damage: random.weight(2),
            drift: random.weight(3),
            slow: random.weight(10),
            change: 0,
            loss: random.weight(20),
            doubling: random.weight(10),
            reordering: random.weight(40),
        }
    }
}
