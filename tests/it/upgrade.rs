//! `upgrade`: what earlier releases left is taken over whole, and can be taken back.

mod crash;
mod fixture;
mod killed;
mod project;
mod queues;
