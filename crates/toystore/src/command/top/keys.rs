//! What a key asks for: another node, or a fault. What breaks something is asked twice.

use ratatui::crossterm::event::{Event, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};

use crate::supervisor::cluster::Cluster;
use crate::supervisor::control::Action;

/// What is to be done.
#[derive(Debug, PartialEq, Eq)]
pub enum Wish {
    /// Nothing but to draw again.
    Nothing,
    /// Enough was seen.
    End,
    /// This, to this node.
    Do(Action, String),
}

/// Which node is chosen, what is asked, what was said last.
#[derive(Debug, Default)]
pub struct Keys {
    chosen: usize,
    /// A fault that waits for a yes.
    asked: Option<(Action, String)>,
    said: String,
}

impl Keys {
    /// The place of the chosen node among all.
    pub fn chosen(&self) -> usize {
        self.chosen
    }

    /// What has happened.
    pub fn say(&mut self, words: String) {
        // A hint behind it is for who types commands.
        self.said = words.lines().next().unwrap_or_default().to_string();
    }

    /// The line for whoever looks: a question, or what happened last.
    pub fn line(&self) -> String {
        match &self.asked {
            Some((Action::Kill, node)) => format!("kill {node}? y / n"),
            Some((_, node)) => format!("pause {node}? y / n"),
            None => self.said.clone(),
        }
    }

    /// Something was typed.
    pub fn on(&mut self, event: &Event, cluster: &Cluster) -> Wish {
        let Event::Key(KeyEvent { code, modifiers, kind: KeyEventKind::Press, .. }) = event else {
            return Wish::Nothing;
        };
        if *code == KeyCode::Char('c') && modifiers.contains(KeyModifiers::CONTROL) {
            return Wish::End;
        }
        if let Some((action, node)) = self.asked.take() {
            return match code {
                KeyCode::Char('y') => Wish::Do(action, node),
                _ => Wish::Nothing,
            };
        }
        let last = cluster.nodes.len().saturating_sub(1);
        self.chosen = self.chosen.min(last);
        let Some(node) = cluster.nodes.get(self.chosen).map(|node| node.name.clone()) else {
            return Wish::End;
        };
        match code {
            KeyCode::Char('q') | KeyCode::Esc => return Wish::End,
            KeyCode::Up => self.chosen = self.chosen.saturating_sub(1),
            KeyCode::Down => self.chosen = (self.chosen + 1).min(last),
            KeyCode::Char('k') => self.asked = Some((Action::Kill, node)),
            KeyCode::Char('p') => self.asked = Some((Action::Pause, node)),
            KeyCode::Char('r') => return Wish::Do(Action::Resume, node),
            KeyCode::Char('s') => return Wish::Do(Action::Start, node),
            _ => {}
        }
        Wish::Nothing
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::top::draw::tests::cluster;

    fn typed(keys: &mut Keys, code: KeyCode) -> Wish {
        keys.on(&Event::Key(KeyEvent::from(code)), &cluster())
    }

    #[test]
    fn what_breaks_a_node_is_asked_twice() {
        let mut keys = Keys::default();
        assert_eq!(typed(&mut keys, KeyCode::Down), Wish::Nothing);
        assert_eq!(typed(&mut keys, KeyCode::Char('k')), Wish::Nothing);
        assert_eq!(keys.line(), "kill order-1? y / n");
        assert_eq!(typed(&mut keys, KeyCode::Char('x')), Wish::Nothing);
        assert_eq!(typed(&mut keys, KeyCode::Char('y')), Wish::Nothing, "nothing is asked");
        assert_eq!(typed(&mut keys, KeyCode::Char('p')), Wish::Nothing);
        assert_eq!(keys.line(), "pause order-1? y / n");
        let paused = Wish::Do(Action::Pause, "order-1".to_string());
        assert_eq!(typed(&mut keys, KeyCode::Char('y')), paused);
        let resumed = Wish::Do(Action::Resume, "order-1".to_string());
        assert_eq!(typed(&mut keys, KeyCode::Char('r')), resumed);
    }

    #[test]
    fn the_choice_stays_among_the_nodes() {
        let mut keys = Keys::default();
        typed(&mut keys, KeyCode::Up);
        assert_eq!(keys.chosen(), 0);
        for _ in 0..50 {
            typed(&mut keys, KeyCode::Down);
        }
        assert_eq!(keys.chosen(), cluster().nodes.len() - 1);
        assert_eq!(typed(&mut keys, KeyCode::Esc), Wish::End);
    }
}
