mod asked;
mod exact;
mod facts;
